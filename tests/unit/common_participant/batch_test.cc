// What one transaction makes of calls, when another process is in its way.
#include "common/participant/batch.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/db/migrate.h"
#include "common/db/open.h"
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

// Does what a test says, and answers OK, that it goes on later or that it does not know.
class ScriptedDomain final : public Domain {
 public:
  absl::Status Apply(soci::session& session, const std::vector<Command*>& commands) override {
    if (!meanwhile.empty()) session << meanwhile;
    for (Command* command : commands) {
      auto reply = std::make_unique<StringValue>();
      reply->set_value("done");
      if (pending) {
        command->answer = Pending{};
      } else if (!unknown.ok()) {
        command->answer = Unknown{unknown};
      } else {
        command->answer = Ok{std::move(reply)};
      }
    }
    return absl::OkStatus();
  }

  bool pending = false;
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
  domain_.pending = true;
  EXPECT_TRUE(Run(Call(Phase::kAction)).ok());
  domain_.pending = false;
  domain_.meanwhile = "UPDATE saga_barrier SET outcome = 1";
  EXPECT_TRUE(absl::IsAborted(Run(Call(Phase::kResolve))));
  domain_.meanwhile.clear();
  EXPECT_TRUE(Run(Call(Phase::kResolve)).ok());
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
