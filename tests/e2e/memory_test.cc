// Each limit of a process's memory is set low and filled, then all at once: what the process takes above what it takes
// at rest stays below the sum that README.md, "Memory", computes.
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/bytes.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "tests/support/cpu.h"
#include "tests/support/poll.h"
#include "tests/support/process.h"
#include "tests/support/raw_caller.h"

namespace unwind {
namespace {

constexpr char kFolder[] = "tests/e2e/memory";
constexpr char kRun[] = "/load.v1.LoadSaga/Run";
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr std::size_t kBytesPerSecond = 30 << 20;  // of each connection that sends messages: four are a gigabit

// What the README says of each, in KiB.
constexpr std::int64_t kCallKib = 20;
constexpr std::int64_t kWaiterKib = 1;
constexpr std::int64_t kSagaKib = 2;
constexpr std::int64_t kCallOutKib = 24;
constexpr std::int64_t kTurnKib = 32 << 10;
constexpr std::int64_t kQuotaFactor = 2;  // gRPC ends calls only once it is exceeded
constexpr std::int64_t kOfAllocator = 4;  // a quarter more

// The flags of one orchestrator, as far as they make the sum.
struct Limits {
  std::int64_t connections = 4;
  std::int64_t streams = 10;
  std::int64_t grpc_memory_mib = 16;
  std::int64_t waiters = 10;
  std::int64_t in_flight = 10;
  std::int64_t saga_memory_mib = 1;
  std::int64_t queue_memory_mib = 1;
  std::int64_t target_calls = 2;
  std::int64_t reply_kib = 1;

  std::vector<std::string> Flags() const {
    return {absl::StrCat("--connections_max=", connections),
            absl::StrCat("--streams_max=", streams),
            absl::StrCat("--grpc_memory_max_mib=", grpc_memory_mib),
            absl::StrCat("--waiters_max=", waiters),
            absl::StrCat("--in_flight_max=", in_flight),
            absl::StrCat("--stuck_max=", 1),
            absl::StrCat("--saga_memory_max_mib=", saga_memory_mib),
            absl::StrCat("--queue_memory_max_mib=", queue_memory_mib),
            absl::StrCat("--target_calls_max=", target_calls),
            absl::StrCat("--reply_max_bytes=", reply_kib << 10)};
  }

  // The README's sum, of one shard, one participant and callers without metadata on one port.
  std::int64_t SumKib() const {
    std::int64_t kib = connections * streams * (kCallKib + metadata_kib);
    kib += kQuotaFactor * (grpc_memory_mib << 10);
    kib += waiters * kWaiterKib;
    kib += (in_flight + 1) * kSagaKib;
    kib += saga_memory_mib << 10;
    kib += 3 * (queue_memory_mib << 10);
    kib += target_calls * (kCallOutKib + reply_kib);
    kib += kTurnKib;
    return kib + kib / kOfAllocator;
  }
  std::int64_t metadata_kib = 0;
};

// One field of bytes or text.
std::string Field(int number, const std::string& value) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  std::size_t size = value.size();
  for (; size >= 128; size >>= 7) out.push_back(static_cast<char>(0x80 | (size & 0x7f)));
  out.push_back(static_cast<char>(size));
  return out + value;
}

// Answers Do at once, and Hold once it is let go, both with a load.
class Lab final : public grpc::CallbackGenericService {
 public:
  explicit Lab(std::size_t load) : answer_(Field(1, std::string(load, 'r'))) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~Lab() override { server_->Shutdown(std::chrono::system_clock::now()); }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  std::size_t held() const {
    std::lock_guard lock(mutex_);
    return held_.size();
  }
  std::size_t answered() const { return answered_; }
  void LetGo() {
    std::set<Handler*> held;
    {
      std::lock_guard lock(mutex_);
      holds_ = false;
      held.swap(held_);
    }
    for (Handler* const handler : held) handler->Answer();
  }

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Handler(*this, context->method() == "/load.v1.LoadService/Hold");
  }

 private:
  class Handler final : public grpc::ServerGenericBidiReactor {
   public:
    Handler(Lab& lab, bool waits) : lab_(lab), waits_(waits) { StartRead(&buffer_); }
    void Answer() {
      ++lab_.answered_;
      buffer_ = ToBuffer(lab_.answer_);
      StartWriteAndFinish(&buffer_, grpc::WriteOptions(), grpc::Status::OK);
    }
    void OnReadDone(bool) override {
      buffer_.Clear();
      {
        std::lock_guard lock(lab_.mutex_);
        if (waits_ && lab_.holds_) {
          lab_.held_.insert(this);
          return;
        }
      }
      Answer();
    }
    void OnCancel() override {
      {
        std::lock_guard lock(lab_.mutex_);
        if (lab_.held_.erase(this) == 0) return;
      }
      Finish(grpc::Status::CANCELLED);
    }
    void OnDone() override { delete this; }

   private:
    Lab& lab_;
    const bool waits_;
    grpc::ByteBuffer buffer_;
  };

  const std::string answer_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  mutable std::mutex mutex_;
  bool holds_ = true;        // guarded by mutex_
  std::set<Handler*> held_;  // guarded by mutex_
  std::atomic<std::size_t> answered_ = 0;
};

// A call that stays open: it waits for an answer to its message, or has sent none.
class Caller final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  struct Count {
    std::mutex mutex;
    std::size_t accepted = 0;  // guarded by mutex, as all
    std::size_t over = 0;
    std::map<std::string, std::size_t> reasons;  // of those that are over
  };

  Caller(Count& count, const std::shared_ptr<grpc::Channel>& channel, const std::string& method, std::size_t metadata,
         const std::optional<std::string>& message, const std::string& key)
      : count_(count) {
    if (!key.empty()) context_.AddMetadata("idempotency-key", key);
    for (std::size_t bytes = 0; bytes < metadata; bytes += 1024) {
      context_.AddMetadata(absl::StrCat("lab-", bytes), std::string(1000, 'm'));
    }
    context_.set_deadline(absl::ToChronoTime(absl::Now() + 3 * kPatience));
    grpc::GenericStub(channel).PrepareBidiStreamingCall(&context_, method, grpc::StubOptions(), this);
    if (message.has_value()) {
      request_ = ToBuffer(*message);
      StartWriteLast(&request_, grpc::WriteOptions());
    }
    StartRead(&response_);
    StartCall();
  }
  void OnWriteDone(bool) override { request_.Clear(); }
  void OnReadInitialMetadataDone(bool ok) override {
    std::lock_guard lock(count_.mutex);
    if (ok && context_.GetServerInitialMetadata().count("saga-id") > 0) ++count_.accepted;
  }
  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(count_.mutex);
    ++count_.over;
    ++count_.reasons[GetErrorInfo(FromGrpc(status)).reason];
  }
  void Leave() { context_.TryCancel(); }

 private:
  Count& count_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_, response_;
};

// A process and those who call it.
class Stage {
 public:
  // `arguments`: the program, and its flags but those of its port and its database.
  Stage(std::vector<std::string> arguments, std::int64_t connections) {
    std::string path = "/tmp/unwind-memory-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    scratch_ = path;
    const std::string ports = absl::StrCat(scratch_, "/ports");
    arguments.insert(arguments.end(), {"--listen=127.0.0.1:0", absl::StrCat("--port_file=", ports),
                                       absl::StrCat("--db=", scratch_, "/it.db")});
    auto started = Process::Start(arguments, absl::StrCat(scratch_, "/log"));
    EXPECT_TRUE(started.ok()) << started.status();
    process_ = *std::move(started);
    EXPECT_TRUE(Eventually(kPatience, [&] { return !ContentsOf(ports).empty() || !process_->Running(); }));
    EXPECT_TRUE(process_->Running()) << Log();
    const std::vector<std::string> lines = absl::StrSplit(ContentsOf(ports), '\n');
    EXPECT_TRUE(absl::SimpleAtoi(lines.front(), &port_));
    Connect(connections);
  }
  ~Stage() {
    Unlock();
    Leave();
    EXPECT_TRUE(process_->Running()) << Log();
    process_->Kill();
    std::filesystem::remove_all(scratch_);
  }

  void Connect(std::int64_t connections) {
    for (std::int64_t i = 0; i < connections; ++i) {
      channels_.push_back(NewChannel(absl::StrCat("127.0.0.1:", port_), static_cast<int>(channels_.size())));
    }
  }

  // What it takes from now on is above what it takes at rest.
  void Rest() {
    std::ofstream(absl::StrCat("/proc/", process_->pid(), "/clear_refs")) << "5";  // the peak begins anew
    idle_kib_ = ResidentKib(process_->pid());
  }
  std::int64_t GrownKib() { return process_->PeakKib() - idle_kib_; }

  void Call(const std::string& method, std::size_t metadata, const std::optional<std::string>& message,
            const std::string& key = "") {
    const auto& channel = channels_[callers_.size() % channels_.size()];
    callers_.push_back(std::make_unique<Caller>(count_, channel, method, metadata, message, key));
  }
  // A caller of saga `key`, with a load of so many bytes, that waits; not before most of those before are accepted.
  void Run(const std::string& key, std::size_t load) {
    EXPECT_TRUE(Eventually(kPatience, [&] { return accepted() + over() + kAtOnce > callers_.size() - unheard_; }));
    Call(kRun, 0, absl::StrCat(Field(1, key), Field(2, std::string(load, 'l'))));
  }
  // The same of those that are not heard: calls without a message, and requests while the store stalls.
  void CallUnheard(const std::string& method, std::size_t metadata, const std::optional<std::string>& message) {
    Call(method, metadata, message);
    ++unheard_;
  }
  // So many connections more, each with so many calls whose messages of so many bytes are never whole.
  void SendUnfinished(int connections, int calls, std::size_t bytes) {
    std::vector<std::thread> threads;
    for (int i = 0; i < connections; ++i) raw_.push_back(std::make_unique<RawCaller>(port_));
    for (int i = 0; i < connections; ++i) {
      threads.emplace_back([raw = raw_[static_cast<std::size_t>(i)].get(), calls, bytes] {
        raw->SendUnfinished(kRun, calls, bytes, kBytesPerSecond, absl::Seconds(1));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  // All callers leave.
  void Leave() {
    for (const auto& caller : callers_) caller->Leave();
    EXPECT_TRUE(Eventually(kPatience, [&] { return over() == callers_.size(); }));
    callers_.clear();
    unheard_ = 0;
    std::lock_guard lock(count_.mutex);
    count_.accepted = count_.over = 0;
    count_.reasons.clear();
  }
  std::size_t accepted() {
    std::lock_guard lock(count_.mutex);
    return count_.accepted;
  }
  std::size_t over() {
    std::lock_guard lock(count_.mutex);
    return count_.over;
  }
  std::size_t Refused(const std::string& reason) {
    std::lock_guard lock(count_.mutex);
    return count_.reasons[reason];
  }
  std::string Log() const { return ContentsOf(absl::StrCat(scratch_, "/log")); }

  // The store stalls.
  void Lock() {
    ASSERT_EQ(sqlite3_open(absl::StrCat(scratch_, "/it.db").c_str(), &sqlite_), SQLITE_OK);
    sqlite3_busy_timeout(sqlite_, 10000);
    ASSERT_EQ(sqlite3_exec(sqlite_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  void Unlock() {
    sqlite3_close(sqlite_);
    sqlite_ = nullptr;
  }

  // Until memory has not grown for a while.
  void Settle() {
    std::int64_t peak = 0;
    absl::Time since = absl::Now();
    Eventually(absl::Seconds(10), [&] {
      if (const std::int64_t now = ResidentKib(process_->pid()); now > peak) {
        peak = now;
        since = absl::Now();
      }
      return absl::Now() - since > absl::Milliseconds(500);
    });
  }

 private:
  static constexpr std::size_t kAtOnce = 10;

  std::string scratch_;
  std::unique_ptr<Process> process_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::int64_t idle_kib_ = 0;
  int port_ = 0;
  std::vector<std::unique_ptr<RawCaller>> raw_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::size_t unheard_ = 0;
  Caller::Count count_;
  sqlite3* sqlite_ = nullptr;
};

class Memory : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    descriptors_ = absl::StrCat("/tmp/unwind-memory-", getpid(), ".protoset");
    const auto made = RunToEnd({"/usr/bin/protoc", absl::StrCat("-I", kFolder), "--include_imports",
                                absl::StrCat("--descriptor_set_out=", descriptors_), "load.proto"},
                               "/dev/stderr", kPatience);
    ASSERT_TRUE(made.ok() && *made == 0);
  }
  static void TearDownTestSuite() { std::filesystem::remove(descriptors_); }

  void Start(std::size_t reply_bytes) {
    lab_ = std::make_unique<Lab>(reply_bytes);
    std::vector<std::string> arguments = {absl::StrCat(UNWIND_BIN_DIR, "/orchestrator"),
                                          absl::StrCat("--definitions=", kFolder, "/run.yaml"),
                                          absl::StrCat("--descriptors=", descriptors_),
                                          absl::StrCat("--participants=load.v1.LoadService=", lab_->address())};
    for (const std::string& flag : limits_.Flags()) arguments.push_back(flag);
    stage_ = std::make_unique<Stage>(arguments, limits_.connections);
    // Ready once a saga is driven; what every process takes anyway is taken then.
    EXPECT_TRUE(Eventually(kPatience, [&] {
      if (lab_->held() > 0) return true;
      stage_->Run("first", 10);
      return Eventually(absl::Seconds(1), [&] { return lab_->held() > 0 || stage_->over() > 0; }) && lab_->held() > 0;
    })) << stage_->Log();
    stage_->Leave();
    stage_->Rest();
  }
  void Run(int sagas, std::size_t load) {
    for (int i = 0; i < sagas; ++i) stage_->Run(absl::StrCat("saga-", ++sagas_), load);
    EXPECT_TRUE(
        Eventually(kPatience, [&] { return stage_->accepted() + stage_->over() >= static_cast<std::size_t>(sagas); }));
    EXPECT_EQ(stage_->over(), 0u);
  }
  // While the store stalls.
  void RunInVain(int sagas, std::size_t load) {
    for (int i = 0; i < sagas; ++i) {
      stage_->CallUnheard(kRun, 0,
                          absl::StrCat(Field(1, absl::StrCat("saga-", ++sagas_)), Field(2, std::string(load, 'l'))));
    }
  }
  void ExpectBelowTheSum(const char* what) {
    stage_->Settle();
    const std::int64_t grown = stage_->GrownKib(), sum = limits_.SumKib();
    std::printf("%-20s grown/bound %lld/%lld MiB\n", what, static_cast<long long>(grown >> 10),
                static_cast<long long>(sum >> 10));
    EXPECT_LT(grown, sum) << what;
  }

  inline static std::string descriptors_;
  Limits limits_;
  std::unique_ptr<Lab> lab_;
  std::unique_ptr<Stage> stage_;  // before its participant
  int sagas_ = 0;
};

TEST_F(Memory, Calls) {
  limits_.connections = 8;
  limits_.streams = 250;
  Start(10);
  for (int i = 0; i < 2000; ++i) stage_->CallUnheard(kRun, 0, std::nullopt);
  ExpectBelowTheSum("calls");
}

TEST_F(Memory, CallsOnAConnection) {
  limits_.connections = 1;
  limits_.streams = 200;
  limits_.metadata_kib = 64;
  Start(10);
  for (int i = 0; i < 2000; ++i) stage_->CallUnheard(kRun, 60 << 10, std::nullopt);
  ExpectBelowTheSum("calls of one");
}

TEST_F(Memory, CallsOnManyConnections) {
  limits_.connections = 2;
  limits_.streams = 100;
  limits_.metadata_kib = 64;
  Start(10);
  stage_->Connect(18);
  for (int i = 0; i < 2000; ++i) stage_->CallUnheard(kRun, 60 << 10, std::nullopt);
  ExpectBelowTheSum("calls of many");
}

TEST_F(Memory, MessagesUnderWay) {
  limits_.connections = 8;
  limits_.streams = 100;
  Start(10);
  stage_->SendUnfinished(4, 60, 1000 << 10);
  ExpectBelowTheSum("messages");
}

TEST_F(Memory, Waiters) {
  limits_.connections = 8;
  limits_.streams = 250;
  limits_.waiters = 1000;
  Start(10);
  for (int i = 0; i < 1800; ++i) {
    stage_->Call(kRun, 0, Field(1, absl::StrCat("saga-", i % 3)) + Field(2, std::string(10, 'l')));
  }
  EXPECT_TRUE(Eventually(kPatience, [&] { return stage_->Refused("OVERLOADED") >= 800; }));
  ExpectBelowTheSum("waiters");
}

TEST_F(Memory, PayloadsOfSagas) {
  limits_.connections = 6;
  limits_.streams = 200;
  limits_.waiters = limits_.in_flight = 1200;
  limits_.saga_memory_mib = 8;
  limits_.queue_memory_mib = 8;
  limits_.reply_kib = 16;
  limits_.target_calls = 1400;
  Start(12 << 10);
  Run(1000, 200 << 10);
  EXPECT_TRUE(Eventually(kPatience, [&] { return lab_->held() >= 1001; })) << lab_->held();
  ExpectBelowTheSum("sagas");
}

TEST_F(Memory, RequestsThatWait) {
  limits_.connections = 6;
  limits_.streams = 200;
  limits_.waiters = limits_.in_flight = 1200;
  limits_.queue_memory_mib = 4;
  Start(10);
  stage_->Lock();
  RunInVain(1000, 200 << 10);
  EXPECT_TRUE(Eventually(kPatience, [&] { return stage_->over() >= 900; }));
  ExpectBelowTheSum("requests");
}

TEST_F(Memory, RepliesThatWait) {
  limits_.connections = 6;
  limits_.streams = 200;
  limits_.waiters = limits_.in_flight = 1200;
  limits_.queue_memory_mib = 4;
  limits_.target_calls = 40;
  limits_.reply_kib = 256;
  Start(200 << 10);
  Run(1000, 10);
  stage_->Settle();
  stage_->Lock();
  lab_->LetGo();
  EXPECT_TRUE(Eventually(kPatience, [&] { return lab_->answered() >= 1001; })) << lab_->answered();
  ExpectBelowTheSum("replies");
}

TEST_F(Memory, CallsThatWait) {
  limits_.connections = 6;
  limits_.streams = 200;
  limits_.waiters = limits_.in_flight = 1200;
  limits_.queue_memory_mib = 4;
  limits_.target_calls = 2;
  Start(10);
  Run(700, 200 << 10);
  ExpectBelowTheSum("calls that wait");
}

TEST_F(Memory, AllAtOnce) {
  limits_.connections = 12;
  limits_.streams = 200;
  limits_.metadata_kib = 16;
  limits_.waiters = limits_.in_flight = 1200;
  limits_.saga_memory_mib = 8;
  limits_.queue_memory_mib = 4;
  limits_.target_calls = 40;
  limits_.reply_kib = 128;
  Start(120 << 10);
  Run(500, 150 << 10);
  for (int i = 0; i < 300; ++i) stage_->CallUnheard(kRun, 15 << 10, std::nullopt);
  stage_->Lock();
  stage_->SendUnfinished(2, 40, 1000 << 10);
  RunInVain(500, 200 << 10);
  lab_->LetGo();
  EXPECT_TRUE(Eventually(kPatience, [&] { return stage_->over() >= 300; }));
  ExpectBelowTheSum("all at once");
}

TEST_F(Memory, OfAParticipant) {
  limits_.connections = 4;
  limits_.streams = 250;
  constexpr std::int64_t kQueue = 100, kMessageKib = 256;
  Stage stage(
      {absl::StrCat(UNWIND_BIN_DIR, "/stock_svc"), absl::StrCat("--connections_max=", limits_.connections),
       absl::StrCat("--streams_max=", limits_.streams), absl::StrCat("--grpc_memory_max_mib=", limits_.grpc_memory_mib),
       absl::StrCat("--queue_max=", kQueue), absl::StrCat("--message_max_bytes=", kMessageKib << 10)},
      limits_.connections);
  const auto reserve = [&stage](const std::string& key, std::size_t load) {
    const std::string item = Field(1, "lamp") + "\x10\x01";
    const std::string unknown = "\xa2\x06" + Field(1, std::string(load, 'l')).substr(1);  // the field 100
    stage.Call("/shop.stock.v1.StockService/Reserve", 0, Field(1, key) + Field(2, item) + unknown, key);
  };
  EXPECT_TRUE(Eventually(kPatience, [&] {
    reserve("first", 10);
    return Eventually(kPatience, [&] { return stage.over() > 0; }) && stage.Refused("PRODUCT_NOT_FOUND") > 0;
  }));
  stage.Leave();
  stage.Rest();
  stage.Lock();
  for (int i = 0; i < 900; ++i) reserve(absl::StrCat("r-", i), 200 << 10);
  EXPECT_TRUE(Eventually(kPatience, [&] { return stage.over() >= 800; })) << stage.over();
  stage.Settle();
  std::int64_t sum = limits_.connections * limits_.streams * kCallKib + kQuotaFactor * (limits_.grpc_memory_mib << 10);
  sum += kQueue * 2 * kMessageKib;
  sum += sum / kOfAllocator;
  std::printf("%-20s grown/bound %lld/%lld MiB\n", "a participant", static_cast<long long>(stage.GrownKib() >> 10),
              static_cast<long long>(sum >> 10));
  EXPECT_LT(stage.GrownKib(), sum);
}

}  // namespace
}  // namespace unwind
