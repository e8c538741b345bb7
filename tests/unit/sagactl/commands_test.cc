// Each command against an orchestrator that the test plays, over a real gRPC server.
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/error.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "sagactl/command_line.h"
#include "sagactl/commands.h"

namespace unwind::sagactl {
namespace {

using saga::v1::Saga;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Answers from `sagas`, newest first, in pages of two; keeps what it was asked.
class FakeOrchestrator final : public saga::v1::SagaService::Service {
 public:
  grpc::Status GetSaga(grpc::ServerContext*, const saga::v1::GetSagaRequest* request, Saga* saga) override {
    for (const Saga& each : sagas) {
      if (each.saga_id() != request->saga_id() && (request->key().empty() || each.key() != request->key())) continue;
      *saga = each;
      return grpc::Status::OK;
    }
    return NotFound();
  }

  grpc::Status ListSagas(grpc::ServerContext*, const saga::v1::ListSagasRequest* request,
                         saga::v1::ListSagasResponse* response) override {
    lists.push_back(*request);
    std::size_t skipped = request->page_token().size();
    for (const Saga& each : sagas) {
      if (request->state() != Saga::STATE_UNSPECIFIED && each.state() != request->state()) continue;
      if (request->stuck() && !each.steps(0).stuck()) continue;
      if (request->waiting() && each.steps(0).state() != saga::v1::Step::STATE_WAITING) continue;
      if (skipped > 0) {
        --skipped;
      } else if (response->sagas_size() == 2) {
        response->set_next_page_token(request->page_token() + "..");
        break;
      } else {
        *response->add_sagas() = each;
      }
    }
    *response->mutable_unreadable() = {unreadable.begin(), unreadable.end()};
    return grpc::Status::OK;
  }

  grpc::Status GetHistory(grpc::ServerContext*, const saga::v1::GetHistoryRequest* request,
                          saga::v1::GetHistoryResponse* response) override {
    const bool is_first = request->page_token().empty();
    if (is_first) response->set_next_page_token("more");
    *response->add_entries() = history.at(is_first ? 0 : 1);
    return grpc::Status::OK;
  }

  grpc::Status RetryStep(grpc::ServerContext*, const saga::v1::RetryStepRequest* request,
                         saga::v1::RetryStepResponse* response) override {
    asked.push_back(absl::StrCat("retry ", request->saga_id(), " ", request->step(), " ", request->actor(), ": ",
                                 request->reason()));
    if (overloaded > 0 && overloaded-- > 0) {
      return ToGrpc(WithRetryAfter(MakeError(absl::StatusCode::kResourceExhausted, "full", {"OVERLOADED", "d", {}}),
                                   absl::Milliseconds(1)));
    }
    return Moved(request->saga_id(), response->mutable_saga());
  }
  grpc::Status SkipStep(grpc::ServerContext*, const saga::v1::SkipStepRequest* request,
                        saga::v1::SkipStepResponse* response) override {
    asked.push_back(absl::StrCat("skip ", request->saga_id(), " ", request->step()));
    seen.push_back(absl::StrCat(request->saga_id(), " ", Saga::Direction_Name(request->seen_direction()), " ",
                                saga::v1::Phase_Name(request->seen_phase())));
    for (Saga& each : sagas) {
      if (each.saga_id() != request->saga_id()) continue;
      if (request->seen_direction() != Saga::DIRECTION_UNSPECIFIED && request->seen_direction() != each.direction()) {
        return ToGrpc(MakeError(absl::StatusCode::kUnavailable, "it turned", {"SAGA_MOVED", "d", {}}));
      }
      each.set_direction(Saga::DIRECTION_BACKWARD);
    }
    return Moved(request->saga_id(), response->mutable_saga());
  }
  grpc::Status ResolveStep(grpc::ServerContext*, const saga::v1::ResolveStepRequest* request,
                           saga::v1::ResolveStepResponse* response) override {
    asked.push_back(absl::StrCat("resolve ", request->saga_id(), " ", request->step(), " ", request->reply_json()));
    return Moved(request->saga_id(), response->mutable_saga());
  }
  grpc::Status CancelSaga(grpc::ServerContext*, const saga::v1::CancelSagaRequest* request,
                          saga::v1::CancelSagaResponse* response) override {
    asked.push_back(absl::StrCat("cancel ", request->saga_id(), " ", request->reason()));
    return Moved(request->saga_id(), response->mutable_saga());
  }
  grpc::Status PauseDefinition(grpc::ServerContext*, const saga::v1::PauseDefinitionRequest* request,
                               saga::v1::PauseDefinitionResponse* response) override {
    asked.push_back(absl::StrCat("pause ", request->name(), " ", request->actor(), ": ", request->reason()));
    response->mutable_pause()->mutable_pause_time()->set_seconds(1'764'201'600);
    response->mutable_pause()->set_actor(request->actor());
    response->mutable_pause()->set_reason(request->reason());
    return Refusal(request->name());
  }
  grpc::Status ResumeDefinition(grpc::ServerContext*, const saga::v1::ResumeDefinitionRequest* request,
                                saga::v1::ResumeDefinitionResponse*) override {
    asked.push_back(absl::StrCat("resume ", request->name(), " ", request->actor()));
    return Refusal(request->name());
  }
  grpc::Status ListDefinitions(grpc::ServerContext*, const saga::v1::ListDefinitionsRequest*,
                               saga::v1::ListDefinitionsResponse* response) override {
    *response = definitions;
    return grpc::Status::OK;
  }

  // Sends `changes` above the version asked for, and is cut after each but the last.
  grpc::Status WatchSaga(grpc::ServerContext*, const saga::v1::WatchSagaRequest* request,
                         grpc::ServerWriter<saga::v1::WatchSagaResponse>* writer) override {
    asked.push_back(absl::StrCat("watch ", request->saga_id(), " ", request->after_version()));
    for (const Saga& change : changes) {
      if (change.version() <= request->after_version()) continue;
      saga::v1::WatchSagaResponse response;
      *response.mutable_saga() = change;
      writer->Write(response);
      return change.version() == changes.back().version() ? grpc::Status::OK : Cut();
    }
    return NotFound();
  }

  // Sends `changes`, and is gone.
  grpc::Status WatchSagas(grpc::ServerContext*, const saga::v1::WatchSagasRequest* request,
                          grpc::ServerWriter<saga::v1::WatchSagasResponse>* writer) override {
    asked.push_back(absl::StrCat("watch ", request->definition(), " ", Saga::State_Name(request->state())));
    saga::v1::WatchSagasResponse response;
    *response.mutable_sagas() = {changes.begin(), changes.end()};
    writer->Write(response);
    return ToGrpc(MakeError(absl::StatusCode::kResourceExhausted, "too many", {"OVERLOADED", "d", {}}));
  }

  std::vector<Saga> changes;
  std::vector<Saga> sagas;
  std::vector<saga::v1::UnreadableSaga> unreadable;
  std::vector<saga::v1::HistoryEntry> history;
  saga::v1::ListDefinitionsResponse definitions;
  std::map<std::string, absl::Status> refusals;  // by saga id or definition
  std::vector<saga::v1::ListSagasRequest> lists;
  std::vector<std::string> asked;
  std::vector<std::string> seen;  // of skips: how the saga and its step stood as they were listed
  int overloaded = 0;             // so many retries are refused for want of room

 private:
  static grpc::Status NotFound() {
    return ToGrpc(MakeError(absl::StatusCode::kNotFound, "there is no such\nsaga", {"SAGA_NOT_FOUND", "d", {}}));
  }
  grpc::Status Refusal(const std::string& name) const {
    const auto refusal = refusals.find(name);
    return refusal == refusals.end() ? grpc::Status::OK : ToGrpc(refusal->second);
  }
  static grpc::Status Cut() {
    return ToGrpc(MakeError(absl::StatusCode::kUnavailable, "it stops", {"WATCH_ENDED", "d", {}}));
  }
  grpc::Status Moved(const std::string& id, Saga* saga) {
    if (const auto refusal = refusals.find(id); refusal != refusals.end()) return ToGrpc(refusal->second);
    saga::v1::GetSagaRequest request;
    request.set_saga_id(id);
    return GetSaga(nullptr, &request, saga);
  }
};

class FakeNudges final : public saga::participant::v1::NudgeService::Service {
 public:
  grpc::Status Nudge(grpc::ServerContext*, const saga::participant::v1::NudgeRequest* request,
                     saga::participant::v1::NudgeResponse*) override {
    asked.push_back(absl::StrCat(request->saga_id(), " ", request->step()));
    return ToGrpc(answer);
  }

  std::vector<std::string> asked;
  absl::Status answer;
};

struct Ran {
  int exit = -1;
  std::string out, err;

  std::vector<std::string> lines() const { return absl::StrSplit(out, '\n', absl::SkipEmpty()); }
};

class CommandsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* const variable : {"UNWIND_SERVER", "UNWIND_TLS_CA", "UNWIND_TLS_CERT", "UNWIND_TLS_KEY"})
      unsetenv(variable);
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&orchestrator_);
    builder.RegisterService(&nudges_);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  }
  void TearDown() override { server_->Shutdown(); }

  // `arguments`: the words behind "sagactl", apart by spaces; `~` in one stands for a space.
  Ran Run(const std::string& arguments) {
    std::vector<std::string> words = absl::StrSplit(absl::StrCat("sagactl ", arguments), ' ');
    std::vector<const char*> argv;
    for (std::string& word : words) {
      std::replace(word.begin(), word.end(), '~', ' ');
      argv.push_back(word.c_str());
    }
    std::istringstream in(typed_);
    std::ostringstream out, err;
    CommandLine line;
    Ran ran;
    ran.exit = line.Parse(static_cast<int>(argv.size()), argv.data(), out, err);
    if (ran.exit == kDone && line.command) {
      Session session{.stub = saga::v1::SagaService::NewStub(channel_),
                      .nudges = saga::participant::v1::NudgeService::NewStub(channel_),
                      .in = in,
                      .out = out,
                      .err = err,
                      .json = line.json,
                      .is_terminal = is_terminal_,
                      .line_max = 0,
                      .actor = line.actor(),
                      .zone = absl::UTCTimeZone()};
      const absl::Status status = line.command(session);
      err << Complaint(status, "the test");
      ran.exit = ExitOf(status);
    }
    ran.out = out.str();
    ran.err = err.str();
    return ran;
  }

  static Saga Running(const std::string& id) {
    Saga saga;
    saga.set_saga_id(id);
    saga.set_definition("book-trip");
    saga.set_definition_version(1);
    saga.set_key("key-" + id);
    saga.set_state(Saga::STATE_RUNNING);
    saga.set_version(7);
    saga.mutable_create_time()->set_seconds(1'764'201'600);
    saga.add_steps()->set_name("book_room");
    return saga;
  }

  static Saga Parked(const std::string& id, const std::string& reason = "DESK_CLOSED") {
    Saga saga = Running(id);
    saga.set_state(Saga::STATE_PARKED);
    saga.set_direction(Saga::DIRECTION_BACKWARD);
    saga::v1::Step& step = *saga.mutable_steps(0);
    step.set_state(saga::v1::Step::STATE_COMPENSATING);
    step.set_phase(saga::v1::PHASE_COMPENSATION);
    step.set_attempt(5);
    step.set_parked(true);
    step.mutable_last_failure()->set_reason(reason);
    step.mutable_last_failure()->set_message("nobody is\x1b[2J at the desk");
    step.mutable_last_failure()->set_code(9);
    return saga;
  }

  static Saga Waiting(const std::string& id) {
    Saga saga = Running(id);
    saga.set_answered_early(true);
    saga::v1::Step& step = *saga.mutable_steps(0);
    step.set_state(saga::v1::Step::STATE_WAITING);
    step.set_phase(saga::v1::PHASE_ACTION);
    step.set_attempt(4);
    step.set_pending_answers(3);
    step.mutable_next_attempt_time()->set_seconds(1'764'201'630);
    step.mutable_wait_until()->set_seconds(1'764'202'500);
    return saga;
  }

  static Saga Stuck(const std::string& id) {
    Saga saga = Parked(id, "CONNECTION_ENDED");
    saga.set_state(Saga::STATE_COMPENSATING);
    saga.mutable_steps(0)->set_parked(false);
    saga.mutable_steps(0)->set_stuck(true);
    return saga;
  }

  FakeOrchestrator orchestrator_;
  FakeNudges nudges_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::string typed_;
  bool is_terminal_ = false;
};

TEST_F(CommandsTest, ListIsATableOfAllPages) {
  orchestrator_.sagas = {Parked("s-3"), Running("s-2"), Running("s-1")};
  const Ran ran = Run("list");
  EXPECT_EQ(ran.exit, kDone);
  EXPECT_EQ(ran.out,
            "SAGA  DEFINITION   KEY      STATE                  CREATED               WHY\n"
            "s-3   book-trip 1  key-s-3  PARKED going backward  2025-11-27 00:00:00Z  book_room: DESK_CLOSED\n"
            "s-2   book-trip 1  key-s-2  RUNNING                2025-11-27 00:00:00Z\n"
            "s-1   book-trip 1  key-s-1  RUNNING                2025-11-27 00:00:00Z\n");
  EXPECT_EQ(ran.err, "");
}

TEST_F(CommandsTest, ListPassesItsFiltersOn) {
  ASSERT_EQ(Run("list --definition book-trip --state PARKED --key k --since 2025-11-27T00:00:00Z --until 1h").exit,
            kDone);
  const saga::v1::ListSagasRequest& request = orchestrator_.lists.at(0);
  EXPECT_EQ(request.definition(), "book-trip");
  EXPECT_EQ(request.state(), Saga::STATE_PARKED);
  EXPECT_EQ(request.key(), "k");
  EXPECT_EQ(request.create_time_from().seconds(), 1'764'201'600);
  EXPECT_NEAR(static_cast<double>(request.create_time_before().seconds()),
              absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()) - 3600, 60);
}

TEST_F(CommandsTest, ListSaysThatThereAreMore) {
  orchestrator_.sagas = {Running("s-3"), Running("s-2"), Running("s-1")};
  const Ran two = Run("list --limit 2 --json");
  EXPECT_EQ(two.lines().size(), 2u);
  EXPECT_THAT(two.err, HasSubstr("there are more"));
  EXPECT_EQ(Run("list --limit 3").err, "");
}

TEST_F(CommandsTest, ListOfJsonIsOneSagaALine) {
  orchestrator_.sagas = {Parked("s-2"), Running("s-1")};
  std::vector<std::string> ids;
  for (const std::string& line : Run("list --json").lines()) ids.push_back(nlohmann::json::parse(line)["sagaId"]);
  EXPECT_THAT(ids, ElementsAre("s-2", "s-1"));
}

TEST_F(CommandsTest, ListOfStuckSagasIsTheOrchestrators) {
  orchestrator_.sagas = {Stuck("s-1"), Running("s-2"), Stuck("s-3"), Parked("s-4"), Stuck("s-5")};
  std::vector<std::string> ids;
  for (const std::string& line : Run("list --stuck --state compensating --json").lines()) {
    ids.push_back(nlohmann::json::parse(line)["sagaId"]);
  }
  EXPECT_THAT(ids, ElementsAre("s-1", "s-3", "s-5"));
  EXPECT_TRUE(orchestrator_.lists.at(0).stuck());
  EXPECT_EQ(orchestrator_.lists.at(0).state(), Saga::STATE_COMPENSATING);
}

TEST_F(CommandsTest, ListOfWaitingSagasIsTheOrchestrators) {
  orchestrator_.sagas = {Stuck("s-1"), Waiting("s-2"), Running("s-3")};
  const Ran ran = Run("list --waiting --state running");
  EXPECT_EQ(ran.out,
            "SAGA  DEFINITION   KEY      STATE    CREATED               WHY\n"
            "s-2   book-trip 1  key-s-2  RUNNING  2025-11-27 00:00:00Z  book_room (waiting)\n");
  EXPECT_TRUE(orchestrator_.lists.at(0).waiting());
  EXPECT_FALSE(orchestrator_.lists.at(0).stuck());
  const Ran wrong = Run("list --waiting --state completed");
  EXPECT_EQ(wrong.exit, kUsage);
  EXPECT_THAT(wrong.err, HasSubstr("--state=completed has none that are stuck or wait"));
}

TEST_F(CommandsTest, PauseAndResumeSayWhatHoldsAndWhoDecidedIt) {
  const Ran paused = Run("pause book-trip --reason the~\x1b[2Jdesk --actor kim");
  EXPECT_EQ(paused.exit, kDone) << paused.err;
  EXPECT_EQ(paused.out, "no saga of book-trip starts since 2025-11-27 00:00:00Z by kim: the \\x1b[2Jdesk\n");
  Run("pause book-trip --reason why");
  EXPECT_EQ(Run("resume book-trip").out, "sagas of book-trip start again\n");
  EXPECT_THAT(orchestrator_.asked, ElementsAre("pause book-trip kim: the \x1b[2Jdesk",
                                               absl::StrCat("pause book-trip ", SystemUser(), ": why"),
                                               absl::StrCat("resume book-trip ", SystemUser())));
  EXPECT_EQ(nlohmann::json::parse(Run("pause book-trip --reason why --json").out)["reason"], "why");
  orchestrator_.refusals["book-trip"] =
      MakeError(absl::StatusCode::kUnavailable, "silent", {"STORE_UNAVAILABLE", "saga.unwind", {}});
  for (const char* verb : {"pause book-trip --reason why", "resume book-trip"}) {
    const Ran silent = Run(verb);
    EXPECT_EQ(silent.exit, kNotKnown) << verb;
    EXPECT_THAT(silent.err, HasSubstr("whether it was done is not known: do it again")) << verb;
  }
}

TEST_F(CommandsTest, ListNamesWhatCannotBeRead) {
  orchestrator_.unreadable.emplace_back();
  orchestrator_.unreadable[0].set_saga_id("s-9");
  orchestrator_.unreadable[0].set_reason("a newer version wrote it");
  const Ran ran = Run("list");
  EXPECT_EQ(ran.exit, kDone);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "sagactl: saga s-9 cannot be read: a newer version wrote it\nno saga\n");
}

TEST_F(CommandsTest, GetSaysWhatASagaWaitsForAndWhatBelongsToIt) {
  orchestrator_.history = {{}, {}};
  Saga saga = Waiting("s-2");
  saga.set_parent_id("s-1");
  saga::v1::ChildSaga& child = *saga.add_children();
  child.set_saga_id("s-3");
  child.set_definition("after-trip");
  child.set_definition_version(2);
  child.set_state(Saga::STATE_COMPLETED);
  orchestrator_.sagas = {saga};
  const Ran ran = Run("get s-2");
  EXPECT_EQ(ran.exit, kDone) << ran.err;
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("state      RUNNING, callers are answered for now\n"), HasSubstr("parent     s-1\n"),
                    HasSubstr("child      s-3 (after-trip 2, COMPLETED)\n"),
                    HasSubstr("book_room  WAITING  action 4   2025-11-27 00:00:30Z, at most to 2025-11-27 00:15:00Z, "
                              "not finished at 3 answers\n")));
}

TEST_F(CommandsTest, GetIsTheTimeline) {
  orchestrator_.sagas = {Parked("s-1")};
  saga::v1::HistoryEntry replied;
  replied.set_seq(1);
  replied.mutable_time()->set_seconds(1'764'201'600);
  replied.set_event("replied");
  replied.set_step("book_room");
  replied.set_phase(saga::v1::PHASE_COMPENSATION);
  replied.set_attempt(5);
  replied.set_outcome(saga::v1::OUTCOME_REFUSED);
  replied.set_elapsed_ms(1.5);
  replied.mutable_failure()->set_reason("DESK_CLOSED");
  replied.set_state(Saga::STATE_PARKED);
  saga::v1::HistoryEntry retried;
  retried.set_seq(2);
  retried.mutable_time()->set_seconds(1'764'201'661);
  retried.set_event("retried");
  retried.set_step("book_room");
  retried.set_actor("mina");
  retried.set_reason("it is open");
  retried.set_state(Saga::STATE_COMPENSATING);
  saga::v1::Send& send = *retried.add_sends();
  send.set_step("book_room");
  send.set_phase(saga::v1::PHASE_COMPENSATION);
  send.set_attempt(6);
  orchestrator_.history = {replied, retried};
  const Ran ran = Run("get s-1");
  EXPECT_EQ(ran.exit, kDone) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("state      PARKED going backward\n"),
                             HasSubstr("created    2025-11-27 00:00:00.000Z (")));
  EXPECT_THAT(ran.out,
              HasSubstr("book_room  COMPENSATING  compensation 5  a person   DESK_CLOSED (FAILED_PRECONDITION): "
                        "nobody is\\x1b[2J at the desk\n"));
  const std::string history =
      "SEQ  TIME                      WHAT                               TOOK   STATE         DETAILS\n"
      "1    2025-11-27 00:00:00.000Z  book_room compensation 5: REFUSED  1.5ms  PARKED        DESK_CLOSED\n"
      "2    2025-11-27 00:01:01.000Z  book_room retried                         COMPENSATING  by mina: it is open; "
      "sends "
      "book_room compensation 6\n";
  EXPECT_THAT(ran.out, HasSubstr(history));
  EXPECT_EQ(Run("history s-1").out, history);
  EXPECT_EQ(Run("find book-trip key-s-1").out, ran.out);
  EXPECT_EQ(Run("history s-1 --json").lines().size(), 2u);
  EXPECT_EQ(nlohmann::json::parse(Run("get s-1 --json").out)["sagaId"], "s-1");
}

TEST_F(CommandsTest, WhatIsNotFoundIsExitOneInOneHarmlessLine) {
  const Ran ran = Run("get s-1");
  EXPECT_EQ(ran.exit, kRefused);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "SAGA_NOT_FOUND: there is no such\\nsaga");
}

TEST_F(CommandsTest, NobodyThereIsExitThree) {
  server_->Shutdown();
  const Ran ran = Run("list");
  EXPECT_EQ(ran.exit, kNotKnown);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("no answer from the test"), HasSubstr("--server")));
}

TEST_F(CommandsTest, AWrongCallIsExitTwoAndSendsNothing) {
  for (const char* arguments : {"", "lst", "list --state asleep", "list --limit 0", "list --since yesterday",
                                "list --key k", "list --stuck --state completed", "pause book-trip", "resume",
                                "retry-all --definition d --reason x --state aborted", "get", "retry s-1 book_room",
                                "skip s-1", "resolve s-1 book_room --reason x --reply {} --reply_file f",
                                "resolve s-1 book_room --reason x --reply_file /nowhere", "retry-all --reason x",
                                "watch", "watch s-1 --state parked", "completion fish"}) {
    const Ran ran = Run(arguments);
    EXPECT_EQ(ran.exit, kUsage) << arguments;
    EXPECT_NE(ran.err, "") << arguments;
  }
  EXPECT_THAT(orchestrator_.asked, IsEmpty());
  EXPECT_THAT(orchestrator_.lists, IsEmpty());
}

TEST_F(CommandsTest, EveryCommandHasAHelpWithAnExample) {
  for (const char* command : {"list", "get", "find", "history", "definitions", "stats", "cancel", "retry", "skip",
                              "resolve", "pause", "resume", "retry-all", "skip-all", "watch", "token", "completion"}) {
    const Ran ran = Run(absl::StrCat(command, " --help"));
    EXPECT_EQ(ran.exit, kDone);
    EXPECT_THAT(ran.out, HasSubstr("Example:\n")) << command;
  }
  EXPECT_THAT(Run("--help").out, HasSubstr("3 no answer: it may have been done"));
  EXPECT_THAT(Run("--version").out, HasSubstr("sagactl "));
}

TEST_F(CommandsTest, VerbsSayWhoAndWhy) {
  orchestrator_.sagas = {Parked("s-1")};
  const Ran ran = Run("retry s-1 book_room --actor mina --reason open~again");
  EXPECT_EQ(ran.exit, kDone) << ran.err;
  EXPECT_EQ(ran.out, "saga s-1 is PARKED going backward, version 7; book_room: DESK_CLOSED\n");
  Run("retry s-1 book_room --reason why");
  Run("skip s-1 book_room --reason why");
  Run("resolve s-1 book_room --reason why");
  Run("resolve s-1 book_room --reason why --reply {\"a\":1}");
  typed_ = "{\"b\": 2}\n";
  Run("resolve s-1 book_room --reason why --reply_file -");
  Run("cancel s-1");
  EXPECT_THAT(orchestrator_.asked,
              ElementsAre("retry s-1 book_room mina: open again",
                          testing::AllOf(HasSubstr("retry s-1 book_room "), Not(HasSubstr("book_room : "))),
                          "skip s-1 book_room", "resolve s-1 book_room ", "resolve s-1 book_room {\"a\":1}",
                          "resolve s-1 book_room {\"b\": 2}\n", "cancel s-1 "));
  EXPECT_EQ(nlohmann::json::parse(Run("cancel s-1 --json").out)["version"], "7");
}

TEST_F(CommandsTest, ANudgeSaysWhatBecomesOfIt) {
  const Ran ran = Run("nudge s-1 collect");
  EXPECT_EQ(ran.exit, kDone) << ran.err;
  EXPECT_EQ(ran.out, "step collect of saga s-1 is asked about: now, or once more after the call that is out\n");
  EXPECT_EQ(Run("nudge s-1 collect --json").out, "{}\n");
  EXPECT_THAT(nudges_.asked, ElementsAre("s-1 collect", "s-1 collect"));
  nudges_.answer = MakeError(absl::StatusCode::kFailedPrecondition, "saga s-1 has ended", {"SAGA_FINISHED", "d", {}});
  const Ran refused = Run("nudge s-1 collect");
  EXPECT_EQ(refused.exit, kRefused);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr("SAGA_FINISHED: saga s-1 has ended"));
  EXPECT_EQ(Run("nudge s-1").exit, kUsage);
}

TEST_F(CommandsTest, ABulkIsADryRunUnlessToldOtherwise) {
  orchestrator_.sagas = {Parked("s-4", "OTHER"), Stuck("s-3"), Running("s-2"), Parked("s-1")};
  const Ran dry = Run("retry-all --definition book-trip --reason why");
  EXPECT_EQ(dry.exit, kDone);
  EXPECT_EQ(dry.lines().size(), 4u) << dry.out;  // the heading and three steps
  EXPECT_THAT(dry.err, HasSubstr("nothing was done; with --yes it would retry 3 steps"));
  for (const auto& request : orchestrator_.lists) EXPECT_EQ(request.definition(), "book-trip");
  EXPECT_EQ(Run("retry-all --definition book-trip --reason why --failure DESK_CLOSED").lines().size(), 2u);
  EXPECT_EQ(Run("retry-all --definition book-trip --reason why --state compensating").lines().size(), 2u);
  EXPECT_THAT(Run("retry-all --definition book-trip --reason why --step rent-car").err, HasSubstr("no step is parked"));
  EXPECT_EQ(Run("skip-all --definition book-trip --reason why --json").lines().size(), 3u);
  EXPECT_THAT(orchestrator_.asked, IsEmpty());
}

TEST_F(CommandsTest, ABulkDoesWhatItListsAndGoesOnPastARefusal) {
  orchestrator_.sagas = {Parked("s-4", "OTHER"), Stuck("s-3"), Running("s-2"), Parked("s-1")};
  orchestrator_.refusals["s-3"] = MakeError(absl::StatusCode::kUnavailable, "look again", {"SAGA_MOVED", "d", {}});
  const Ran ran = Run("skip-all --definition book-trip --reason why --yes");
  EXPECT_EQ(ran.exit, kRefused);
  EXPECT_THAT(ran.out, HasSubstr("skip s-3 book_room: refused, SAGA_MOVED: look again\n"));
  EXPECT_EQ(ran.err, "2 done, 1 refused, 0 not known, 0 not asked");
  EXPECT_THAT(orchestrator_.asked, ElementsAre("skip s-4 book_room", "skip s-3 book_room", "skip s-1 book_room"));
}

TEST_F(CommandsTest, ABulkThatIsCutSaysSoAndIsExitOne) {
  orchestrator_.sagas = {Parked("s-3"), Parked("s-2"), Parked("s-1")};
  for (const char* yes : {"", " --yes"}) {
    const Ran ran = Run(absl::StrCat("skip-all --definition book-trip --reason why --limit 2", yes));
    EXPECT_EQ(ran.exit, kRefused);
    EXPECT_THAT(ran.err, HasSubstr("there are more steps than --limit=2"));
  }
  EXPECT_THAT(orchestrator_.asked, ElementsAre("skip s-3 book_room", "skip s-2 book_room"));
  EXPECT_EQ(Run("skip-all --definition book-trip --reason why --limit 3 --yes").exit, kDone);
}

TEST_F(CommandsTest, ABulkSaysHowEachSagaStoodWhenItWasListed) {
  orchestrator_.sagas = {Parked("s-1")};
  EXPECT_EQ(Run("skip-all --definition book-trip --reason why --yes").exit, kDone);
  EXPECT_THAT(orchestrator_.seen, ElementsAre("s-1 DIRECTION_BACKWARD PHASE_COMPENSATION"));
}

// To skip the first turns the saga back; of the second the same verb would then say something else.
TEST_F(CommandsTest, OfTwoStepsOfOneSagaTheSecondIsJudgedAnew) {
  Saga saga = Parked("s-1");
  saga.set_direction(Saga::DIRECTION_FORWARD);
  *saga.add_steps() = saga.steps(0);
  for (saga::v1::Step& step : *saga.mutable_steps()) step.set_phase(saga::v1::PHASE_ACTION);
  saga.mutable_steps(1)->set_name("rent_car");
  orchestrator_.sagas = {saga};
  const Ran ran = Run("skip-all --definition book-trip --reason why --yes");
  EXPECT_EQ(ran.exit, kRefused);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("skip s-1 book_room: done\n"),
                             HasSubstr("skip s-1 rent_car: refused, SAGA_MOVED: it turned\n")));
  EXPECT_EQ(ran.err, "1 done, 1 refused, 0 not known, 0 not asked");
}

// One that is listed as parked and then, as it goes on, as compensating.
TEST_F(CommandsTest, ASagaThatIsListedTwiceIsAskedForOnceAsItWasLastSeen) {
  Saga parked = Parked("s-1"), moved = Stuck("s-1");
  moved.set_version(parked.version() + 1);
  moved.mutable_steps(0)->set_phase(saga::v1::PHASE_RESOLVE);
  orchestrator_.sagas = {moved, parked};
  Saga ran_on = Running("s-2");
  ran_on.set_version(9);
  orchestrator_.sagas.push_back(Parked("s-2"));
  orchestrator_.sagas.push_back(ran_on);  // its step is parked no longer
  EXPECT_EQ(Run("list --stuck --json").lines().size(), 1u);
  EXPECT_EQ(Run("skip-all --definition book-trip --reason why --yes").exit, kDone);
  EXPECT_THAT(orchestrator_.seen, ElementsAre("s-1 DIRECTION_BACKWARD PHASE_RESOLVE"));
}

TEST_F(CommandsTest, AnOrchestratorWithoutRoomIsAskedAgain) {
  orchestrator_.sagas = {Parked("s-2"), Parked("s-1")};
  orchestrator_.overloaded = 2;
  EXPECT_EQ(Run("retry-all --definition book-trip --reason why --yes").exit, kDone);
  EXPECT_EQ(orchestrator_.asked.size(), 4u);
  orchestrator_.asked.clear();
  orchestrator_.overloaded = 1000;
  const Ran ran = Run("retry-all --definition book-trip --reason why --yes");
  EXPECT_EQ(ran.exit, kRefused);
  EXPECT_EQ(ran.err, "0 done, 1 refused, 0 not known, 1 not asked");
}

TEST_F(CommandsTest, WhoMayNotIsToldOnce) {
  orchestrator_.sagas = {Parked("s-2"), Parked("s-1")};
  orchestrator_.refusals["s-2"] =
      MakeError(absl::StatusCode::kPermissionDenied, "who?", {"CALLER_NOT_ALLOWED", "d", {{"denied", "actor"}}});
  const Ran ran = Run("skip-all --definition book-trip --reason why --yes --json");
  EXPECT_EQ(ran.exit, kRefused);
  EXPECT_EQ(ran.err, "0 done, 1 refused, 0 not known, 1 not asked");
  EXPECT_EQ(nlohmann::json::parse(ran.out)["error"]["reason"], "CALLER_NOT_ALLOWED");
  EXPECT_EQ(Run("skip s-2 book_room --reason why --actor kim").err,
            "CALLER_NOT_ALLOWED: who?; leave --actor out: your certificate says who you are");
}

TEST_F(CommandsTest, ABulkAsksAPersonBeforeItChangesMany) {
  orchestrator_.sagas = {Parked("s-2"), Parked("s-1")};
  is_terminal_ = true;
  for (const char* no : {"", "n\n", "no\n", "\n"}) {
    typed_ = no;
    const Ran ran = Run("skip-all --definition book-trip --reason why --yes");
    EXPECT_EQ(ran.exit, kRefused);
    EXPECT_THAT(ran.err, AllOf(HasSubstr("skip 2 steps? [y/N]"), HasSubstr("nothing was done")));
  }
  EXPECT_THAT(orchestrator_.asked, IsEmpty());
  typed_ = "y\n";
  EXPECT_EQ(Run("skip-all --definition book-trip --reason why --yes").exit, kDone);
  EXPECT_EQ(orchestrator_.asked.size(), 2u);
  typed_ = "n\n";
  const Ran json = Run("skip-all --definition book-trip --reason why --yes --json");
  EXPECT_THAT(json.err, AllOf(HasSubstr("s-2"), HasSubstr("s-1"), HasSubstr("skip 2 steps?")));
  EXPECT_EQ(json.out, "");
}

// The rest is not asked: whatever made one answer get lost may have done what nobody knows of to the others too.
TEST_F(CommandsTest, ABulkStopsWhereItIsNotKnownWhatWasDone) {
  const auto error = [](absl::StatusCode code, const char* reason, const char* domain) {
    return MakeError(code, "gone", {reason, domain, {}});
  };
  using Code = absl::StatusCode;
  for (const absl::Status& lost :
       {absl::UnavailableError("gone"), absl::DeadlineExceededError("gone"), absl::InternalError("gone"),
        absl::ResourceExhaustedError("gone"), absl::InvalidArgumentError("gone"), absl::CancelledError("gone"),
        error(Code::kUnavailable, "STORE_UNAVAILABLE", "saga.unwind"),
        error(Code::kUnavailable, "SERVICE_UNREACHABLE", "gateway.unwind"),
        error(Code::kDeadlineExceeded, "GATEWAY_TIMEOUT", "gateway.unwind"),
        error(Code::kInternal, "GATEWAY_FAILED", "gateway.unwind")}) {
    orchestrator_.asked.clear();
    orchestrator_.sagas = {Parked("s-4"), Parked("s-3"), Parked("s-2"), Parked("s-1")};
    orchestrator_.refusals["s-3"] = error(Code::kNotFound, "SAGA_NOT_FOUND", "saga.unwind");
    orchestrator_.refusals["s-2"] = lost;
    const Ran ran = Run("skip-all --definition book-trip --reason why --yes");
    EXPECT_EQ(ran.exit, kNotKnown) << lost;
    EXPECT_THAT(ran.out, HasSubstr("skip s-2 book_room: not known"));
    EXPECT_EQ(ran.err,
              "whether this was done is not known: skip s-2 book_room; look at that saga before you go on; "
              "1 done, 1 refused, 1 not known, 1 not asked");
    EXPECT_EQ(orchestrator_.asked.size(), 3u);
    const Ran one = Run("skip s-2 book_room --reason why");
    EXPECT_EQ(one.exit, kNotKnown) << lost;
    EXPECT_THAT(one.err, HasSubstr("whether it was done is not known"));
  }
  orchestrator_.refusals["s-2"] = error(Code::kUnavailable, "SAGA_NOT_HELD", "saga.unwind");
  EXPECT_EQ(Run("skip s-2 book_room --reason why").exit, kRefused);
  orchestrator_.refusals["s-2"] = error(Code::kPermissionDenied, "FOREIGN_ORIGIN", "gateway.unwind");
  EXPECT_EQ(Run("skip s-2 book_room --reason why").exit, kRefused);
}

TEST_F(CommandsTest, ACancelOfWhatHadEndedSaysSoAndIsExitOne) {
  Saga completed = Running("s-3"), undone = Running("s-2"), cancelled = Running("s-1");
  completed.set_state(Saga::STATE_COMPLETED);
  completed.set_cancel_requested(true);  // by somebody, past its pivot
  undone.set_state(Saga::STATE_ABORTED);
  cancelled.set_state(Saga::STATE_ABORTED);
  cancelled.set_cancel_requested(true);
  orchestrator_.sagas = {completed, undone, cancelled};
  for (const char* id : {"s-3", "s-2"}) {
    const Ran ran = Run(absl::StrCat("cancel ", id));
    EXPECT_EQ(ran.exit, kRefused) << id;
    EXPECT_THAT(ran.err, HasSubstr("had ended before"));
  }
  EXPECT_EQ(Run("cancel s-1").exit, kDone);
}

// With a certificate the orchestrator knows who asks; on plaintext it is told.
TEST_F(CommandsTest, WhoDecidesIsTheSystemUserUnlessACertificateSaysIt) {
  orchestrator_.sagas = {Parked("s-1")};
  Run("retry s-1 book_room --reason why");
  Run("retry s-1 book_room --reason why --tls_cert c.pem");
  Run("retry-all --definition book-trip --reason why --yes --tls_cert c.pem");
  Run("retry s-1 book_room --reason why --tls_cert c.pem --actor kim");
  EXPECT_THAT(orchestrator_.asked,
              ElementsAre(absl::StrCat("retry s-1 book_room ", SystemUser(), ": why"), "retry s-1 book_room : why",
                          "retry s-1 book_room : why", "retry s-1 book_room kim: why"));
}

TEST_F(CommandsTest, AWatchGoesOnFromWhatWasSeenUntilTheSagaHasEnded) {
  Saga running = Running("s-1"), parked = Parked("s-1"), ended = Running("s-1");
  running.mutable_steps(0)->set_state(saga::v1::Step::STATE_IN_FLIGHT);
  running.mutable_update_time()->set_seconds(1'764'201'600);
  parked.mutable_update_time()->set_seconds(1'764'201'601);
  parked.set_version(8);
  ended.mutable_update_time()->set_seconds(1'764'201'602);
  ended.set_version(9);
  ended.set_state(Saga::STATE_ABORTED);
  orchestrator_.changes = {running, parked, ended};
  const Ran ran = Run("watch s-1");
  EXPECT_EQ(ran.exit, kDone) << ran.err;
  EXPECT_EQ(ran.out,
            "2025-11-27 00:00:00.000Z  s-1  book-trip 1  RUNNING  book_room\n"
            "2025-11-27 00:00:01.000Z  s-1  book-trip 1  PARKED going backward  book_room: DESK_CLOSED\n"
            "2025-11-27 00:00:02.000Z  s-1  book-trip 1  ABORTED\n");
  EXPECT_THAT(orchestrator_.asked, ElementsAre("watch s-1 0", "watch s-1 7", "watch s-1 8"));
}

TEST_F(CommandsTest, AWatchOfAFilterEndsWithWhatTheOrchestratorSays) {
  orchestrator_.changes = {Running("s-1"), Running("s-2")};
  const Ran ran = Run("watch --definition book-trip --state parked --json");
  EXPECT_EQ(ran.lines().size(), 2u);
  EXPECT_EQ(ran.exit, kRefused);
  EXPECT_EQ(ran.err, "OVERLOADED: too many");
  EXPECT_THAT(orchestrator_.asked, ElementsAre("watch book-trip STATE_PARKED"));
}

TEST_F(CommandsTest, AWatchOfNothingIsExitOneAndNobodyThereExitThree) {
  EXPECT_EQ(Run("watch s-1").exit, kRefused);
  server_->Shutdown();
  EXPECT_EQ(Run("watch s-1").exit, kNotKnown);
}

TEST_F(CommandsTest, DefinitionsAndStats) {
  saga::v1::Definition& trip = *orchestrator_.definitions.add_definitions();
  trip.set_name("book-trip");
  trip.set_version(2);
  trip.set_served(true);
  trip.set_method("trip.v1.TripService/BookTrip");
  saga::v1::UnfinishedSagas& parked = *trip.add_unfinished();
  parked.set_state(Saga::STATE_PARKED);
  parked.set_count(3);
  parked.mutable_oldest_create_time()->set_seconds(1'764'201'600);
  saga::v1::Definition& old = *orchestrator_.definitions.add_definitions();
  old.set_name("book-trip");
  old.set_version(1);
  old.set_undriven_reason("no route");
  EXPECT_EQ(Run("definitions").out,
            "DEFINITION   STARTS HERE  UNFINISHED  METHOD                        NOT DRIVEN HERE BECAUSE  PAUSED\n"
            "book-trip 2  yes          3           trip.v1.TripService/BookTrip\n"
            "book-trip 1  no           0                                         no route\n");
  saga::v1::Pause& pause = *trip.mutable_pause();
  pause.mutable_pause_time()->set_seconds(1'764'201'600);
  pause.set_actor("kim");
  pause.set_reason("too dear");
  EXPECT_THAT(Run("definitions").lines().at(1),
              AllOf(HasSubstr("book-trip 2  no "), HasSubstr(" since 2025-11-27 00:00:00Z by kim: too dear")));
  EXPECT_EQ(Run("definitions --json").lines().size(), 2u);
  EXPECT_THAT(Run("stats").out, HasSubstr("book-trip 2  PARKED  3      2025-11-27 00:00:00Z  "));
  const nlohmann::json count = nlohmann::json::parse(Run("stats --json").out);
  EXPECT_EQ(count["definition"], "book-trip");
  EXPECT_EQ(count["version"], 2);
  EXPECT_EQ(count["state"], "STATE_PARKED");
  EXPECT_EQ(count["count"], "3");
}

TEST_F(CommandsTest, TheServerIsAnOptionOrStandsInTheEnvironment) {
  const auto server = [](std::vector<const char*> argv) {
    std::ostringstream out;
    CommandLine line;
    argv.insert(argv.begin(), "sagactl");
    EXPECT_EQ(line.Parse(static_cast<int>(argv.size()), argv.data(), out, out), kDone) << out.str();
    return line.server;
  };
  unsetenv("UNWIND_SERVER");
  EXPECT_EQ(server({"stats"}), "127.0.0.1:7100");
  ASSERT_EQ(setenv("UNWIND_SERVER", "a:1", 1), 0);
  EXPECT_EQ(server({"stats"}), "a:1");
  EXPECT_EQ(server({"stats", "--server", "b:2"}), "b:2");
  unsetenv("UNWIND_SERVER");
}

}  // namespace
}  // namespace unwind::sagactl
