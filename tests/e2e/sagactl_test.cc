// sagactl's program against the real orchestrator: sagas that a participant parks are found, read and moved.
#include <future>
#include <iostream>
#include <vector>

#include "tests/e2e/trip_test.h"

namespace unwind {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Sagactl : public TripTest {
 protected:
  static std::string Program() { return absl::StrCat(UNWIND_BIN_DIR, "/sagactl"); }

  // What `arguments` of a program print; its exit status is `exit`.
  std::string Run(std::vector<std::string> arguments, int exit = 0) {
    const std::string log = absl::StrCat(scratch_, "/run-", ++runs_);
    const auto ran = RunToEnd(arguments, log, kPatience);
    EXPECT_TRUE(ran.ok()) << ran.status();
    EXPECT_EQ(ran.value_or(-1), exit) << ContentsOf(log);
    return ContentsOf(log);
  }
  std::string Ask(std::vector<std::string> arguments, int exit = 0) {
    arguments.insert(arguments.begin(), {Program(), "--server", cluster_->AdminAddress(Node::kOrchestrator)});
    return Run(std::move(arguments), exit);
  }

  // A trip whose room cannot be cancelled; its saga is parked.
  std::future<grpc::Status> BookParked(const std::string& request_id) {
    auto booked = std::async(std::launch::async, [this, request_id] {
      nlohmann::json trip;
      return BookTrip({{"requestId", request_id}, {"guest", request_id}, {"city", "jeju"}, {"car", "submarine"}},
                      &trip);
    });
    const bool is_parked = Eventually(kPatience, [&] {
      const auto saga = Shop(*cluster_).SagaOfKey("book-trip", request_id);
      return saga.ok() && saga->state() == saga::v1::Saga::STATE_PARKED;
    });
    EXPECT_TRUE(is_parked);
    return booked;
  }

  inline static int runs_ = 0;
};

TEST_F(Sagactl, ItPlaysTheRunbookOfAParkedSaga) {
  auto booked = BookParked("trip-1");
  std::cout << Run({"/bin/bash", "tests/e2e/runbook.sh", Program(), cluster_->AdminAddress(Node::kOrchestrator)});
  EXPECT_EQ(Reason(booked.get()), "NO_CAR");
}

TEST_F(Sagactl, ManyParkedStepsAreRetriedTogether) {
  std::vector<std::future<grpc::Status>> booked;
  for (const char* request_id : {"trip-2", "trip-3", "trip-4"}) booked.push_back(BookParked(request_id));
  const std::vector<std::string> retry = {"retry-all",   "--definition", "book-trip", "--failure",
                                          "DESK_CLOSED", "--reason",     "it is open"};
  EXPECT_THAT(Ask(retry), HasSubstr("dry run, nothing was done; with --yes it would retry 3 steps"));
  std::vector<std::string> done = retry;
  done.push_back("--yes");
  EXPECT_THAT(Ask(done), AllOf(HasSubstr("book_room: done"), testing::Not(HasSubstr("refused"))));
  for (auto& each : booked) EXPECT_EQ(Reason(each.get()), "NO_CAR");
  for (const char* request_id : {"trip-2", "trip-3", "trip-4"}) EXPECT_EQ(RoomOf(request_id)["cancelled"], true);
  EXPECT_THAT(Ask(retry), HasSubstr("no step is parked"));
}

TEST_F(Sagactl, ADefinitionIsPausedAndResumed) {
  const nlohmann::json request = {{"requestId", "trip-9"}, {"guest", "mina"}, {"city", "busan"}, {"car", "pony"}};
  nlohmann::json trip;
  EXPECT_THAT(Ask({"pause", "book-trip", "--reason", "the desk moves"}),
              AllOf(HasSubstr("no saga of book-trip starts since "), HasSubstr(": the desk moves")));
  const grpc::Status refused = BookTrip(request, &trip);
  EXPECT_EQ(Reason(refused), "DEFINITION_PAUSED");
  EXPECT_THAT(refused.error_message(), HasSubstr("the desk moves"));
  EXPECT_THAT(Ask({"definitions"}), HasSubstr(": the desk moves"));
  EXPECT_EQ(Ask({"resume", "book-trip"}), "sagas of book-trip start again\n");
  EXPECT_TRUE(BookTrip(request, &trip).ok());
  EXPECT_THAT(Ask({"definitions"}), testing::Not(HasSubstr("the desk moves")));
  EXPECT_THAT(Ask({"pause", "book-trp", "--reason", "the desk moves"}, 1),
              HasSubstr("DEFINITION_NOT_FOUND: name: there is no definition book-trp"));
}

// Of an unknown and a finished saga, an unknown step and one that does not wait; and of one that does.
TEST_F(Sagactl, ANudgeIsHeededOrSaysWhyNot) {
  nlohmann::json visa;
  std::future<grpc::Status> answered = std::async(std::launch::async, [&] {
    return GetVisa({{"requestId", "visa-3"}, {"country", "sealand"}}, &visa);
  });
  Shop shop(*cluster_);
  const auto waits = [&] {
    const auto saga = shop.SagaOfKey("get-visa", "visa-3");
    return saga.ok() && saga->steps(0).state() == saga::v1::Step::STATE_WAITING;
  };
  ASSERT_TRUE(Eventually(kPatience, waits));
  const std::string waiting = shop.SagaOfKey("get-visa", "visa-3")->saga_id();
  EXPECT_THAT(Ask({"nudge", waiting, "apply"}), HasSubstr("step apply of saga " + waiting + " is asked about"));
  EXPECT_THAT(Ask({"nudge", waiting, "fly"}, 1), HasSubstr("STEP_NOT_FOUND: step: get-visa has no step fly"));
  EXPECT_THAT(Ask({"nudge", "nobody", "apply"}, 1), HasSubstr("SAGA_NOT_FOUND: there is no saga nobody"));
  EXPECT_THAT(Ask({"nudge", waiting, "a/b"}, 1), HasSubstr("INVALID_REQUEST: step"));
  EXPECT_EQ(Reason(answered.get()), "NOT_DECIDED_IN_TIME");
  EXPECT_THAT(Ask({"nudge", waiting, "apply"}, 1), HasSubstr("SAGA_FINISHED: saga " + waiting + " has ended"));
  const auto parked = BookParked("trip-5");
  const std::string trip = shop.SagaOfKey("book-trip", "trip-5")->saga_id();
  EXPECT_THAT(Ask({"nudge", trip, "book_room"}, 1), HasSubstr("STEP_NOT_WAITING: step book_room does not wait"));
  Ask({"retry", trip, "book_room", "--reason", "it is open"});
}

TEST_F(Sagactl, AWrongPortIsToldApartFromNobodyThere) {
  const std::string& main_port = cluster_->Address(Node::kOrchestrator);
  EXPECT_THAT(Run({Program(), "--server", main_port, "stats"}, 1), HasSubstr("name an orchestrator's --admin_listen"));
  EXPECT_THAT(Run({Program(), "--server", "127.0.0.1:1", "stats"}, 3), HasSubstr("no answer from 127.0.0.1:1"));
}

// A script whose disk is full must not go on as if it had been told.
TEST_F(Sagactl, WhatCannotBePrintedIsExitOne) {
  const std::string call = absl::StrCat(Program(), " --server ", cluster_->AdminAddress(Node::kOrchestrator));
  for (const char* arguments : {"definitions", "definitions --json", "completion bash", "--version", "list --help"}) {
    EXPECT_THAT(Run({"/bin/bash", "-c", absl::StrCat(call, " ", arguments, " > /dev/full")}, 1),
                HasSubstr("standard output cannot be written"))
        << arguments;
  }
  EXPECT_THAT(Run({Program(), "--version"}),
              AllOf(testing::StartsWith("sagactl "), testing::Not(HasSubstr("unknown"))));
}

TEST_F(Sagactl, BashCompletesCommandsOptionsAndStates) {
  const auto completed = [this](const std::string& words) {
    return Run({"/bin/bash", "-c",
                absl::StrCat("source <(", Program(), " completion bash); COMP_WORDS=(sagactl ", words,
                             "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _sagactl; echo \"${COMPREPLY[@]}\"")});
  };
  EXPECT_EQ(completed("def"), "definitions\n");
  EXPECT_EQ(completed("list --st"), "--state --stuck\n");
  EXPECT_EQ(completed("list --state pa"), "parked\n");
  EXPECT_EQ(completed("list --state ab"), "aborted\n");
  EXPECT_EQ(completed("skip-all --state ab"), "\n");
  EXPECT_EQ(completed("--json skip-all --y"), "--yes\n");
  EXPECT_EQ(completed("get --se"), "--server\n");
}

}  // namespace
}  // namespace unwind
