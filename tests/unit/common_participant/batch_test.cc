// What one transaction makes of calls, when another process is in its way.
#include "common/participant/batch.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/db/migrate.h"
#include "common/db/open.h"
#include "common/participant/barrier_rows.h"
#include "common/rpc/error.h"
#include "google/protobuf/wrappers.pb.h"
#include "gtest/gtest.h"
#include "soci/soci.h"
#include "tests/support/temp_dir.h"

extern const unwind::Migrations kBarrierMigrations;

namespace unwind {
namespace {

using barrier::Phase;
using google::protobuf::BytesValue;
using google::protobuf::StringValue;

// Does what a test says, and answers OK, that it goes on or is finished later, or that it does not know.
class ScriptedDomain final : public Domain {
 public:
  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override {
    if (!meanwhile.empty()) session << meanwhile;
    for (Command* command : commands) {
      auto reply = std::make_unique<StringValue>();
      reply->set_value("done");
      if (intent) {
        command->answer = Intent{};
      } else if (later) {
        command->answer = Later{std::move(reply)};
      } else if (!unknown.ok()) {
        command->answer = Unknown{unknown};
      } else {
        command->answer = Ok{std::move(reply)};
      }
    }
    return absl::OkStatus();
  }

  bool intent = false;
  bool later = false;
  absl::Status unknown;
  std::string meanwhile;  // SQL, as if by another process
};

class BatchTest : public testing::Test {
 protected:
  BatchTest() { EXPECT_TRUE(Migrate(*connection_, "barrier", kBarrierMigrations).ok()); }

  static SubmissionPtr Call(Phase phase) {
    auto request = std::make_shared<StringValue>();
    request->set_value("pen");
    CallKey key;
    key.saga_id = "s1";
    key.step = "take";
    key.phase = phase;
    return MakeSubmission(1, key, request, nullptr);
  }

  absl::Status Run(const SubmissionPtr& call, absl::Status then = absl::OkStatus()) {
    return connection_->Write([&](soci::session& session) {
      const absl::Status status = RunBatch(session, domain_, options_, absl::UnixEpoch(), {call});
      return status.ok() ? then : status;
    });
  }

  const TempDir folder_;
  const std::unique_ptr<Connection> connection_ = OpenDatabase(folder_.File("barrier.db")).value();
  const ParticipantOptions options_{.domain = "test"};
  ScriptedDomain domain_;
};

TEST_F(BatchTest, WhatIsRunAgainAfterARollbackAnswersOnce) {
  const SubmissionPtr call = Call(Phase::kAction);
  EXPECT_TRUE(absl::IsAborted(Run(call, absl::AbortedError("another process was faster"))));
  EXPECT_TRUE(Run(call).ok());
  StringValue reply;
  EXPECT_TRUE(reply.ParseFromString(call->reply.response));
  EXPECT_EQ(call->reply.response, reply.SerializeAsString());
  EXPECT_EQ(reply.value(), "done");
}

TEST_F(BatchTest, WhatWasAnsweredBeforeTheRollbackIsForgotten) {
  const SubmissionPtr call = Call(Phase::kAction);
  domain_.unknown = absl::UnavailableError("not now");
  EXPECT_TRUE(absl::IsAborted(Run(call, absl::AbortedError("another process was faster"))));
  domain_.unknown = absl::OkStatus();
  EXPECT_TRUE(Run(call).ok());
  EXPECT_TRUE(call->reply.status.ok()) << call->reply.status;
}

TEST_F(BatchTest, APendingRowThatAnotherProcessSettledIsNotWrittenOver) {
  domain_.intent = true;
  EXPECT_TRUE(Run(Call(Phase::kAction)).ok());
  domain_.intent = false;
  domain_.meanwhile = "UPDATE saga_barrier SET outcome = 1";
  EXPECT_TRUE(absl::IsAborted(Run(Call(Phase::kResolve))));
  domain_.meanwhile.clear();
  EXPECT_TRUE(Run(Call(Phase::kResolve)).ok());
}

// It was executed beside its compensation; run again, it is fenced.
TEST_F(BatchTest, APendingActionThatAnotherProcessFencedMeanwhileDoesNotCount) {
  domain_.later = true;
  EXPECT_TRUE(Run(Call(Phase::kAction)).ok());
  domain_.meanwhile = "UPDATE saga_barrier SET outcome = 5";
  EXPECT_TRUE(absl::IsAborted(Run(Call(Phase::kAction))));
  domain_.later = false;
  EXPECT_TRUE(absl::IsAborted(Run(Call(Phase::kAction))));
  domain_.meanwhile.clear();
  EXPECT_TRUE(Run(Call(Phase::kAction)).ok());
}

// A release that does not know the outcome answers what the row holds.
TEST_F(BatchTest, ASettlingRowHoldsTheAnswerOfAFencedAction) {
  domain_.later = true;
  EXPECT_TRUE(Run(Call(Phase::kAction)).ok());
  EXPECT_TRUE(Run(Call(Phase::kCompensation)).ok());
  const absl::Status read = connection_->Read([](soci::session& session) {
    const barrier::Rows rows = barrier::LoadRows(session, {{"", "s1", "take"}});
    EXPECT_EQ(rows.size(), 1u);
    const barrier::Row& row = rows.at({"", "s1", "take", Phase::kAction});
    EXPECT_EQ(row.outcome, barrier::Outcome::kSettling);
    EXPECT_EQ(ParseStatus(row.reply).code(), absl::StatusCode::kAborted);
    EXPECT_EQ(GetErrorInfo(ParseStatus(row.reply)).reason, "FENCED");
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
}

TEST_F(BatchTest, RequestsOfTwoTypesAreNotTheSameForHavingTheSameBytes) {
  StringValue text;
  text.set_value("pen");
  BytesValue bytes;
  bytes.set_value("pen");
  ASSERT_EQ(text.SerializeAsString(), bytes.SerializeAsString());
  EXPECT_NE(PayloadHash(text), PayloadHash(bytes));
}

}  // namespace
}  // namespace unwind
