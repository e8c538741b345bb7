// A participant that answers one saga in every wrong way there is, beside healthy orders at the same address: those all
// succeed, nothing of them is undone, and the saga that is answered so ends with the reason.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/bytes.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "tests/support/bad_answers.h"
#include "tests/support/poll.h"
#include "tests/support/process.h"

namespace unwind {
namespace {

constexpr char kFolder[] = "tests/e2e/bad_participant";
constexpr absl::Duration kPatience = absl::Seconds(100);
constexpr absl::Duration kHealthyTakes = absl::Milliseconds(20);  // so that some are out whenever a connection ends
constexpr int kBadSagas = 5;
constexpr std::int64_t kPeakKibMax = 400 << 10;

// Healthy orders beside each bad answer.
int Orders() {
  const char* const text = std::getenv("UNWIND_BAD_PARTICIPANT_ORDERS");
  int orders = 60;
  EXPECT_TRUE(text == nullptr || absl::SimpleAtoi(text, &orders)) << text;
  return orders;
}

// The bytes of a message of short strings, its fields 1, 2 and so on; and back, of two.
std::string Encode(const std::vector<std::string>& fields) {
  std::string bytes;
  char tag = '\x0a';
  for (const std::string& field : fields) {
    bytes.append({tag, static_cast<char>(field.size())});
    bytes += field;
    tag = static_cast<char>(tag + 8);
  }
  return bytes;
}
std::pair<std::string, std::string> Decode(const std::string& bytes) {
  const auto first = static_cast<std::size_t>(bytes.at(1));
  return {bytes.substr(2, first), bytes.substr(4 + first)};
}

// An answer that says it is not finished, and what the saga ends with.
struct PendingAnswer {
  std::string name;
  bool is_asked_for = false;
  h2::Fields trailers;  // beside saga-outcome
  std::string reason;
  bool has_message = true;
};

void PrintTo(const PendingAnswer& answer, std::ostream* out) { *out << answer.name; }

const PendingAnswer kPendingAnswers[] = {
    {"NotAskedFor", false, {}, "PENDING_NOT_ASKED"},
    {"NotAskedForAndInDays", false, {{"saga-retry-after", "500000000"}}, "PENDING_NOT_ASKED"},
    {"NotAskedForOfAnotherCall", false, {{"saga-outcome-key", "x"}}, "PENDING_OF_ANOTHER_CALL"},
    {"NotAskedForWithoutMessage", false, {}, "ANSWER_WITHOUT_MESSAGE", false},
    {"OfAnotherCall", true, {{"saga-outcome-key", "x"}}, "PENDING_OF_ANOTHER_CALL"},
    {"WithoutMessage", true, {}, "ANSWER_WITHOUT_MESSAGE", false},
    {"AgainAfterNoNumber", true, {{"saga-retry-after", "soon"}}, "STEP_NOT_FINISHED"},
    {"AgainBefore", true, {{"saga-retry-after", "-9223372036854775808"}}, "STEP_NOT_FINISHED"},
    {"AgainInDays", true, {{"saga-retry-after", "500000000"}}, "STEP_NOT_FINISHED"},
    {"AgainNever", true, {{"saga-retry-after", "99999999999999999999"}}, "STEP_NOT_FINISHED"},
};

class BadParticipantTest : public testing::Test {
 protected:
  struct Run {
    std::optional<grpc::ClientContext> context;
    grpc::ByteBuffer request, response;
    std::promise<grpc::Status> ended;
  };

  static void SetUpTestSuite() {
    std::string path = "/tmp/unwind-bad-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    scratch_ = path;
    peer_ = new RawPeer(&Answer);
    const auto made = RunToEnd({"/usr/bin/protoc", absl::StrCat("-I", kFolder), "--include_imports",
                                absl::StrCat("--descriptor_set_out=", scratch_, "/lab.protoset"), "lab.proto"},
                               absl::StrCat(scratch_, "/protoc.log"), kPatience);
    ASSERT_TRUE(made.ok() && *made == 0) << ContentsOf(absl::StrCat(scratch_, "/protoc.log"));
    const std::string ports = absl::StrCat(scratch_, "/ports"), log = absl::StrCat(scratch_, "/orchestrator.log");
    auto started = Process::Start(
        {absl::StrCat(UNWIND_BIN_DIR, "/orchestrator"), "--listen=127.0.0.1:0", absl::StrCat("--port_file=", ports),
         absl::StrCat("--db=", scratch_, "/sagas.db"), absl::StrCat("--definitions=", kFolder, "/run.yaml"),
         absl::StrCat("--descriptors=", scratch_, "/lab.protoset"),
         absl::StrCat("--participants=lab.v1.LabService=", peer_->address())},
        log);
    ASSERT_TRUE(started.ok()) << started.status();
    orchestrator_ = started->release();
    ASSERT_TRUE(Eventually(kPatience, [&] { return !ContentsOf(ports).empty() || !orchestrator_->Running(); }));
    ASSERT_TRUE(orchestrator_->Running()) << ContentsOf(log);
    const std::vector<std::string> lines = absl::StrSplit(ContentsOf(ports), '\n');
    channel_ = new std::shared_ptr<grpc::Channel>(NewChannel(absl::StrCat("127.0.0.1:", lines.front())));
    // Ready once it answers.
    ASSERT_TRUE(Eventually(kPatience, [] { return Begin("first", "fine")->ended.get_future().get().ok(); }));
  }

  static void TearDownTestSuite() {
    if (orchestrator_ != nullptr) {
      EXPECT_LT(orchestrator_->PeakKib(), kPeakKibMax);
      EXPECT_TRUE(orchestrator_->Running());
    }
    delete channel_;
    delete orchestrator_;
    delete peer_;
    std::filesystem::remove_all(scratch_);
  }

  // What the participant does, on its own thread.
  static std::vector<RawPeer::Act> Answer(std::uint32_t stream, const std::string& request) {
    const auto [id, mode] = Decode(request);
    std::lock_guard lock(mutex_);
    if (mode == "bad") return bad_(stream);
    if (mode == "undo") ++undone_[id];
    std::vector<RawPeer::Act> acts = AnswerOk(stream, h2::Message("\x0a\x04"
                                                                  "fine"));
    acts.front().after = kHealthyTakes;
    return acts;
  }

  static std::shared_ptr<Run> Begin(const std::string& id, const std::string& mode, const std::string& hold = "fine") {
    auto run = std::make_shared<Run>();
    run->context.emplace();
    run->context->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    run->request = ToBuffer(Encode({id, mode, hold}));
    grpc::GenericStub stub(*channel_);
    stub.UnaryCall(&*run->context, "/lab.v1.LabSaga/Run", grpc::StubOptions(), &run->request, &run->response,
                   [run](const grpc::Status& status) {
                     run->context.reset();  // it holds the channel, which must not end on gRPC's own thread
                     run->ended.set_value(status);
                   });
    return run;
  }

  static int Undone(const std::string& id) {
    std::lock_guard lock(mutex_);
    const auto it = undone_.find(id);
    return it == undone_.end() ? 0 : it->second;
  }

  inline static std::string scratch_;
  inline static RawPeer* peer_ = nullptr;
  inline static Process* orchestrator_ = nullptr;
  inline static std::shared_ptr<grpc::Channel>* channel_ = nullptr;
  inline static std::mutex mutex_;
  inline static std::function<std::vector<RawPeer::Act>(std::uint32_t)> bad_;
  inline static std::map<std::string, int> undone_;  // compensations seen, by order
};

class BadParticipant : public BadParticipantTest, public testing::WithParamInterface<BadAnswer> {};

TEST_P(BadParticipant, HurtsNobodyElse) {
  const BadAnswer& answer = GetParam();
  {
    std::lock_guard lock(mutex_);
    bad_ = answer.acts;
  }
  std::vector<std::pair<std::string, std::shared_ptr<Run>>> healthy, bad;
  const int orders = Orders();
  for (int i = 0; i < orders; ++i) {
    if (i % std::max(1, orders / kBadSagas) == 0 && bad.size() < kBadSagas) {
      const std::string id = absl::StrCat(answer.name, "-bad-", i);
      bad.emplace_back(id, Begin(id, "bad"));
    }
    const std::string id = absl::StrCat(answer.name, "-", i);
    healthy.emplace_back(id, Begin(id, "fine"));
  }
  for (auto& [id, run] : healthy) {
    const grpc::Status status = run->ended.get_future().get();
    EXPECT_TRUE(status.ok()) << id << ": " << status.error_message();
    EXPECT_EQ(ToBytes(run->response),
              "\x0a\x04"
              "fine");
    EXPECT_EQ(Undone(id), 0) << id;
  }
  const std::string unnamed = answer.is_refusal() ? "STEP_REFUSED" : "STEP_FAILED";
  for (auto& [id, run] : bad) {
    const grpc::Status status = run->ended.get_future().get();
    EXPECT_FALSE(status.ok()) << id;
    EXPECT_EQ(GetErrorInfo(FromGrpc(status)).reason, answer.reason.empty() ? unnamed : answer.reason)
        << id << ": " << status.error_message();
    EXPECT_GE(Undone(id), 1) << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Each, BadParticipant, testing::ValuesIn(BadAnswers()),
                         [](const auto& test) { return test.param.name; });

class BadWait : public BadParticipantTest, public testing::WithParamInterface<PendingAnswer> {};

// Neither read as done nor waited for longer than the step's definition lets it.
TEST_P(BadWait, MovesNothing) {
  const PendingAnswer& answer = GetParam();
  {
    std::lock_guard lock(mutex_);
    bad_ = [&answer](std::uint32_t stream) {
      h2::Fields trailers = answer.trailers;
      trailers.emplace_back("saga-outcome", "pending");
      if (answer.has_message) return AnswerOk(stream, h2::Message(""), trailers);
      trailers.emplace_back("grpc-status", "0");
      return AnswerWith(stream, trailers);
    };
  }
  const std::string id = absl::StrCat("wait-", answer.name);
  const auto run = Begin(id, answer.is_asked_for ? "fine" : "bad", answer.is_asked_for ? "bad" : "fine");
  const grpc::Status status = run->ended.get_future().get();
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(GetErrorInfo(FromGrpc(status)).reason, answer.reason) << status.error_message();
  EXPECT_EQ(status.error_code(),
            answer.reason == "STEP_NOT_FINISHED" ? grpc::StatusCode::ABORTED : grpc::StatusCode::INTERNAL);
  EXPECT_NE(status.error_message(), "");
  EXPECT_GE(Undone(id), answer.is_asked_for ? 2 : 1);
}

INSTANTIATE_TEST_SUITE_P(Each, BadWait, testing::ValuesIn(kPendingAnswers),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace unwind
