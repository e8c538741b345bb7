#include "tests/bench/ceiling.h"

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/db/connection.h"
#include "common/db/dsn.h"
#include "common/rpc/channel.h"
#include "grpcpp/grpcpp.h"
#include "orchestrator/store/pg_array.h"
#include "shop/checkout/v1/checkout_service.grpc.pb.h"
#include "soci/soci.h"
#include "tests/support/cpu.h"
#include "tests/support/poll.h"
#include "tests/support/process.h"
#include "tests/support/shop.h"

namespace unwind {
namespace {

using shop::checkout::v1::CheckoutService;
using shop::checkout::v1::PlaceOrderRequest;
using shop::checkout::v1::PlaceOrderResponse;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kRowBytes = 300;

class Echo final : public CheckoutService::CallbackService {
 public:
  grpc::ServerUnaryReactor* PlaceOrder(grpc::CallbackServerContext* context, const PlaceOrderRequest* request,
                                       PlaceOrderResponse* response) override {
    response->set_order_id(request->request_id());
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Calls again as soon as it is answered, until it is told to stop.
class EchoCaller {
 public:
  EchoCaller(std::shared_ptr<grpc::Channel> channel, const std::atomic<bool>& stop, std::atomic<long>& answered,
             std::atomic<int>& running)
      : stub_(CheckoutService::NewStub(channel)), stop_(stop), answered_(answered), running_(running) {
    request_ = Shop::Order("mina", "lamp");
  }
  void Call() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
    stub_->async()->PlaceOrder(context_.get(), &request_, &response_, [this](const grpc::Status&) {
      ++answered_;
      if (!stop_) return Call();
      --running_;
    });
  }

 private:
  const std::unique_ptr<CheckoutService::Stub> stub_;
  const std::atomic<bool>& stop_;
  std::atomic<long>& answered_;
  std::atomic<int>& running_;
  PlaceOrderRequest request_;
  PlaceOrderResponse response_;
  std::unique_ptr<grpc::ClientContext> context_;
};

void KeepCheapest(Raw& best, const Raw& one) {
  if (best.cpu_micros == 0 || one.cpu_micros < best.cpu_micros) best = one;
}

Raw RawOf(double cpu_seconds, double count, absl::Duration took, std::string setting) {
  return {.cpu_micros = cpu_seconds * 1e6 / count,
          .per_second = count / absl::ToDoubleSeconds(took),
          .setting = std::move(setting)};
}

Raw CallFor(const std::string& address, pid_t server, int callers, int connections, absl::Duration length) {
  std::atomic<bool> stop = false;
  std::atomic<long> answered = 0;
  std::atomic<int> running = callers;
  std::vector<std::unique_ptr<EchoCaller>> all;
  for (int i = 0; i < callers; ++i) {
    all.push_back(std::make_unique<EchoCaller>(NewChannel(address, i % connections), stop, answered, running));
  }
  for (const auto& caller : all) caller->Call();
  Eventually(kPatience, [&] { return answered > callers; });  // all are connected
  const auto cpu = [server] { return OwnCpuSeconds() + CpuSeconds(server); };
  const double cpu_before = cpu();
  const long answered_before = answered;
  const absl::Time start = absl::Now();
  absl::SleepFor(length);
  const long count = answered - answered_before;
  const Raw raw = RawOf(cpu() - cpu_before, static_cast<double>(count), absl::Now() - start,
                        absl::StrCat(callers, " callers on ", connections, " connections"));
  stop = true;
  Eventually(kPatience, [&] { return running == 0; });
  return raw;
}

// Rows of an id and a text, in transactions of `batch` rows.
class RowWriter {
 public:
  RowWriter(Connection& connection, bool on_postgres) : connection_(connection), on_postgres_(on_postgres) {}

  absl::Status Write(int batch) { return on_postgres_ ? WriteOnPostgres(batch) : WriteOnSqlite(batch); }

 private:
  absl::Status WriteOnPostgres(int batch) {
    PgArray ids, texts;
    for (int i = 0; i < batch; ++i) {
      ids.Add(static_cast<std::int64_t>(next_++));
      texts.Add(text_);
    }
    ids.Close();
    texts.Close();
    return connection_.WriteOnce([&](soci::session& sql) {
      sql << "INSERT INTO raw SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:texts AS text[]))",
          soci::use(ids.text()), soci::use(texts.text());
      return absl::OkStatus();
    });
  }

  absl::Status WriteOnSqlite(int batch) {
    return connection_.Write([&](soci::session& sql) {
      long long id = 0;
      soci::statement insert = (sql.prepare << "INSERT INTO raw VALUES (:id, :text)", soci::use(id), soci::use(text_));
      for (int i = 0; i < batch; ++i) {
        id = next_++;
        insert.execute(true);
      }
      return absl::OkStatus();
    });
  }

  Connection& connection_;
  const bool on_postgres_;
  const std::string text_ = std::string(kRowBytes, 'x');
  long long next_ = 1;
};

}  // namespace

int ServeEcho(const std::string& port_file) {
  Echo echo;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&echo);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::ofstream(port_file + ".new") << port;
  std::rename((port_file + ".new").c_str(), port_file.c_str());
  server->Wait();
  return 0;
}

absl::StatusOr<Raw> MeasureRawCalls(const std::string& program, const std::string& scratch, absl::Duration length) {
  const std::string port_file = scratch + "/echo.port";
  ASSIGN_OR_RETURN(const std::unique_ptr<Process> server,
                   Process::Start({program, "--echo=" + port_file}, scratch + "/echo.log"));
  if (!Eventually(kPatience, [&] { return !ContentsOf(port_file).empty(); })) {
    return absl::UnavailableError("the echo does not start: " + ContentsOf(scratch + "/echo.log"));
  }
  const std::string address = "127.0.0.1:" + ContentsOf(port_file);
  Raw best;
  for (const auto& [callers, connections] : {std::pair{16, 1}, {64, 1}, {64, 2}, {256, 2}, {256, 4}}) {
    KeepCheapest(best, CallFor(address, server->pid(), callers, connections, length));
  }
  return best;
}

absl::StatusOr<Raw> MeasureRawRows(const std::string& database, const std::function<double()>& cpu,
                                   absl::Duration length) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connection::Open(database));
  RETURN_IF_ERROR(connection->Write([](soci::session& sql) {
    sql << "CREATE TABLE raw (id BIGINT NOT NULL PRIMARY KEY, text TEXT NOT NULL)";
    return absl::OkStatus();
  }));
  RowWriter writer(*connection, IsPostgres(database));
  Raw best;
  for (const int batch : {64, 256, 1024, 4096}) {
    const double cpu_before = cpu() + OwnCpuSeconds();
    const absl::Time start = absl::Now();
    double count = 0;
    while (absl::Now() < start + length) {
      RETURN_IF_ERROR(writer.Write(batch));
      count += batch;
    }
    KeepCheapest(best, RawOf(cpu() + OwnCpuSeconds() - cpu_before, count, absl::Now() - start,
                             absl::StrCat(batch, " rows a commit")));
  }
  return best;
}

double Limit(const Raw& call, const Raw& row, int cores) {
  return cores * 1e6 / (kNominalCalls * call.cpu_micros + kNominalRows * row.cpu_micros);
}

}  // namespace unwind
