#include "tests/support/cluster.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "common/rpc/channel.h"
#include "grpcpp/client_context.h"
#include "tests/support/bytes_call.h"
#include "tests/support/poll.h"
#include "tests/support/secure_channel.h"

namespace unwind {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(30);
constexpr absl::Duration kStopPatience = absl::Seconds(5);
constexpr std::size_t kLogTailBytes = 2000;

std::string Tail(const std::string& text) {
  return text.size() <= kLogTailBytes ? text : absl::StrCat("...", text.substr(text.size() - kLogTailBytes));
}

absl::StatusOr<std::string> MakeScratch(const std::string& root) {
  std::string path = absl::StrCat(root, "/unwind-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) {
    return absl::PermissionDeniedError(absl::StrCat("cannot make a scratch folder in ", root));
  }
  return path;
}

}  // namespace

Node FirstOf(Node node) {
  switch (node) {
    case Node::kSecondOrder:
      return Node::kOrder;
    case Node::kSecondStock:
      return Node::kStock;
    case Node::kSecondPayment:
      return Node::kPayment;
    case Node::kSecondCoupon:
      return Node::kCoupon;
    case Node::kSecondWallet:
      return Node::kWallet;
    case Node::kSecondOrchestrator:
      return Node::kOrchestrator;
    case Node::kGateway:
    case Node::kOrder:
    case Node::kStock:
    case Node::kPayment:
    case Node::kCoupon:
    case Node::kWallet:
    case Node::kOrchestrator:
      return node;
  }
  std::abort();
}

std::string NodeName(Node node) {
  switch (node) {
    case Node::kGateway:
      return "mock_pg";
    case Node::kOrder:
      return "order_svc";
    case Node::kStock:
      return "stock_svc";
    case Node::kPayment:
      return "payment_svc";
    case Node::kCoupon:
      return "coupon_svc";
    case Node::kWallet:
      return "wallet_svc";
    case Node::kOrchestrator:
      return "orchestrator";
    case Node::kSecondOrder:
    case Node::kSecondStock:
    case Node::kSecondPayment:
    case Node::kSecondCoupon:
    case Node::kSecondWallet:
    case Node::kSecondOrchestrator:
      return absl::StrCat(NodeName(FirstOf(node)), "_2");
  }
  std::abort();
}

// In raw bytes: gRPC keeps the generated message to itself.
bool IsServing(const std::shared_ptr<grpc::Channel>& channel, const std::string& name) {
  static constexpr char kServing[] = "\x08\x01";
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(1)));
  const std::string request =
      name.empty() ? "" : absl::StrCat("\x0a", std::string(1, static_cast<char>(name.size())), name);
  std::string reply;
  return CallWithBytes(channel, context, "/grpc.health.v1.Health/Check", request, &reply).ok() && reply == kServing;
}

absl::Status WaitUntilHealthy(const std::shared_ptr<grpc::Channel>& channel, absl::Duration patience) {
  if (Eventually(patience, [&channel] { return IsServing(channel); })) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat("not healthy after ", absl::FormatDuration(patience)));
}

Cluster::Cluster(ClusterOptions options, std::string scratch)
    : options_(std::move(options)), scratch_(std::move(scratch)) {
  if (options_.secure) WriteCertificates();
}

absl::StatusOr<std::unique_ptr<Cluster>> Cluster::Start(ClusterOptions options) {
  ASSIGN_OR_RETURN(std::string scratch, MakeScratch(options.scratch_root));
  std::unique_ptr<Cluster> cluster(new Cluster(std::move(options), std::move(scratch)));
  if (cluster->options_.postgres) {
    ASSIGN_OR_RETURN(cluster->postgres_, PostgresServer::Start({.fsync = true,
                                                                .folder_root = cluster->options_.scratch_root,
                                                                .settings = {},
                                                                .authority = cluster->authority_.get()}));
    for (Node node : kNodes) RETURN_IF_ERROR(cluster->postgres_->CreateDatabase(NodeName(node)).status());
  }
  if (cluster->options_.prepare) RETURN_IF_ERROR(cluster->options_.prepare(*cluster));
  if (cluster->options_.webhooks) WriteSecret(cluster->WebhookSecretFile(), "a secret of the shop and the gateway");
  for (Node node : cluster->nodes()) RETURN_IF_ERROR(cluster->Launch(node));
  // payment_svc needs the gateway's address, and the gateway payment_svc's; the same with the orchestrator.
  if (cluster->options_.webhooks) {
    std::vector<Node> again = cluster->CopiesOf(Node::kPayment);
    again.push_back(Node::kGateway);
    for (const Node node : again) {
      RETURN_IF_ERROR(cluster->Terminate(node).status());
      RETURN_IF_ERROR(cluster->Restart(node));
    }
  }
  return cluster;
}

std::vector<Node> Cluster::nodes() const {
  std::vector<Node> all;
  for (const Node node : kNodes) {
    all.push_back(node);
    for (const Node second : kSecondNodes) {
      if (FirstOf(second) == node && (options_.two_of_each || seats_.count(second) != 0)) all.push_back(second);
    }
  }
  return all;
}

std::vector<Node> Cluster::CopiesOf(Node node) const {
  std::vector<Node> copies;
  for (const Node each : nodes()) {
    if (FirstOf(each) == node) copies.push_back(each);
  }
  return copies;
}

Cluster::~Cluster() {
  for (auto& [node, seat] : seats_) seat.process.reset();
  std::error_code ignored;
  if (!options_.keep_scratch) std::filesystem::remove_all(scratch_, ignored);
}

std::string Cluster::Path(Node node, const std::string& suffix) const {
  return absl::StrCat(scratch_, "/", NodeName(node), suffix);
}

// The copies of a service have one identity.
void Cluster::WriteCertificates() {
  authority_ = std::make_unique<TestAuthority>("Throw-away CA");
  std::filesystem::create_directory(absl::StrCat(scratch_, "/tls"));
  for (const Node node : kNodes) {
    const Certificate issued = authority_->Issue(Service(NodeName(node)));
    WriteFile(TlsFile(node, "cert"), issued.chain);
    WriteSecret(TlsFile(node, "key"), issued.key);
  }
  tester_ = authority_->Issue(Service(kTester));
  WriteFile(TesterFile("cert"), tester_.chain);
  WriteSecret(TesterFile("key"), tester_.key);
  WriteFile(TesterFile("ca"), authority_->pem());
  WriteFile(TesterFile("crl"), authority_->RevocationList({}));
}

std::string Cluster::TlsFile(Node node, const std::string& what) const {
  if (what == "ca" || what == "crl") return TesterFile(what);
  return absl::StrCat(scratch_, "/tls/", NodeName(FirstOf(node)), ".", what);
}

std::string Cluster::TesterFile(const std::string& what) const {
  const bool of_all = what == "ca" || what == "crl";
  return absl::StrCat(scratch_, "/tls/", of_all ? "" : absl::StrCat(kTester, "."), what);
}

std::shared_ptr<grpc::Channel> Cluster::ChannelAs(const Certificate* certificate, const std::string& address,
                                                  int index) const {
  return NewSecureChannel(address, authority_->pem(), certificate, index);
}

std::shared_ptr<grpc::Channel> Cluster::NewChannelTo(const std::string& address, int index) const {
  return authority_ == nullptr ? NewChannel(address, index) : ChannelAs(&tester_, address, index);
}

std::string Cluster::Database(Node node) const {
  const Node owner = FirstOf(node);
  return postgres_ != nullptr ? postgres_->Database(NodeName(owner)) : Path(owner, ".db");
}
std::string Cluster::DatabaseForProgram(Node node) const {
  if (postgres_ != nullptr && options_.secure) {
    return postgres_->DatabaseOverTls(NodeName(FirstOf(node)), TlsFile(node, "ca"), TlsFile(node, "cert"),
                                      TlsFile(node, "key"));
  }
  if (postgres_ == nullptr || !options_.database_link) return Database(node);
  const std::string link = options_.database_link(node, absl::StrCat("127.0.0.1:", postgres_->port()));
  return postgres_->DatabaseOverTcp(NodeName(FirstOf(node)), link);
}
std::string Cluster::WebhookSecretFile() const { return absl::StrCat(scratch_, "/webhook.secret"); }
std::string Cluster::LogPath(Node node) const { return Path(node, ".log"); }
const std::string& Cluster::Address(Node node) const { return seats_.at(node).address; }
const std::string& Cluster::AdminAddress(Node node) const { return seats_.at(node).admin_address; }
const std::string& Cluster::HealthAddress(Node node) const { return seats_.at(node).health_address; }
const std::string& Cluster::MetricsAddress(Node node) const { return seats_.at(node).metrics_address; }
std::string Cluster::AddressForCallers(Node node) const {
  std::vector<std::string> addresses;
  for (const Node copy : CopiesOf(node)) {
    addresses.push_back(options_.link ? options_.link(copy, Address(copy)) : Address(copy));
  }
  return addresses.size() == 1 ? addresses[0] : absl::StrCat("ipv4:", absl::StrJoin(addresses, ","));
}
pid_t Cluster::Pid(Node node) const { return seats_.at(node).process->pid(); }
bool Cluster::Running(Node node) { return seats_.at(node).process->Running(); }

std::vector<std::string> Cluster::Arguments(Node node) const {
  const auto seat = seats_.find(node);
  const bool again = seat != seats_.end() && !seat->second.address.empty();
  std::vector<std::string> arguments = {
      absl::StrCat(options_.bin_dir, "/", NodeName(FirstOf(node))),
      absl::StrCat("--listen=", again ? seat->second.address : "127.0.0.1:0"),
      absl::StrCat("--port_file=", Path(node, ".port")),
      absl::StrCat("--db=", DatabaseForProgram(node)),
      "--lame_duck=0s",  // nobody here reads health to find another process
  };
  if (options_.secure) {
    for (const char* const what : {"cert", "key", "ca", "crl"}) {
      arguments.push_back(absl::StrCat("--tls_", what, "=", TlsFile(node, what)));
    }
    arguments.push_back(absl::StrCat("--health_listen=", again ? seat->second.health_address : "127.0.0.1:0"));
  }
  if (options_.metrics) {
    arguments.push_back(absl::StrCat("--metrics_listen=", again ? seat->second.metrics_address : "127.0.0.1:0"));
  }
  if (FirstOf(node) == Node::kPayment) {
    arguments.push_back(absl::StrCat("--pg_address=", AddressForCallers(Node::kGateway)));
    if (options_.webhooks) arguments.push_back(absl::StrCat("--webhook_secret_files=", WebhookSecretFile()));
    if (options_.webhooks && seats_.count(Node::kOrchestrator) > 0) {
      arguments.push_back(absl::StrCat("--nudge=", AddressForCallers(Node::kOrchestrator)));
    }
  }
  if (node == Node::kGateway && options_.webhooks && seats_.count(Node::kPayment) > 0) {
    arguments.push_back(absl::StrCat("--webhook_address=", AddressForCallers(Node::kPayment)));
    arguments.push_back(absl::StrCat("--webhook_secret_file=", WebhookSecretFile()));
  }
  if (node == Node::kSecondOrchestrator) arguments.push_back(absl::StrCat("--instance=", NodeName(node)));
  if (FirstOf(node) == Node::kOrchestrator) {
    const std::string order = AddressForCallers(Node::kOrder);
    std::string routes = absl::StrCat("shop.order.v1.OrderService=", order, ",shop.order.v1.CartService=", order,
                                      ",shop.order.v1.NotificationService=", order,
                                      ",shop.stock.v1.StockService=", AddressForCallers(Node::kStock),
                                      ",shop.payment.v1.PaymentService=", AddressForCallers(Node::kPayment),
                                      ",shop.coupon.v1.CouponService=", AddressForCallers(Node::kCoupon),
                                      ",shop.wallet.v1.WalletService=", AddressForCallers(Node::kWallet));
    if (!options_.participants.empty()) absl::StrAppend(&routes, ",", options_.participants);
    if (again) arguments.push_back(absl::StrCat("--admin_listen=", seat->second.admin_address));
    arguments.push_back(absl::StrCat("--participants=", routes));
    arguments.push_back(absl::StrCat("--definitions=", options_.definitions));
  }
  if (const auto extra = options_.extra_flags.find(node); extra != options_.extra_flags.end()) {
    arguments.insert(arguments.end(), extra->second.begin(), extra->second.end());
  }
  return arguments;
}

absl::Status Cluster::Spawn(Node node) {
  std::error_code ignored;
  std::filesystem::remove(Path(node, ".port"), ignored);
  ASSIGN_OR_RETURN(std::unique_ptr<Process> process,
                   Process::Start(Arguments(node), LogPath(node), options_.environment));
  seats_[node].process = std::move(process);
  return absl::OkStatus();
}

bool Cluster::Serves(Node node) const { return !ContentsOf(Path(node, ".port")).empty(); }

absl::Status Cluster::Launch(Node node) {
  RETURN_IF_ERROR(Spawn(node));
  Seat& seat = seats_.at(node);
  std::string ports;
  const bool listens = Eventually(kStartPatience, [&] {
    ports = ContentsOf(Path(node, ".port"));
    return !ports.empty() || !seat.process->Running();
  });
  if (!listens || ports.empty()) {
    return absl::UnavailableError(Obituary(node, listens ? "ended" : "wrote no port file"));
  }
  std::istringstream lines(ports);
  std::string port, name;
  lines >> port;
  seat.address = absl::StrCat("127.0.0.1:", port);
  while (lines >> name >> port) {
    if (name == "admin") seat.admin_address = absl::StrCat("127.0.0.1:", port);
    if (name == "health") seat.health_address = absl::StrCat("127.0.0.1:", port);
    if (name == "metrics") seat.metrics_address = absl::StrCat("127.0.0.1:", port);
  }
  const std::shared_ptr<grpc::Channel> channel = NewChannelTo(seat.address, 1 << 20);
  bool healthy = false;
  Eventually(kStartPatience, [&] {
    healthy = IsServing(channel);
    return healthy || !seat.process->Running();
  });
  if (healthy) return absl::OkStatus();
  return absl::UnavailableError(Obituary(node, seat.process->Running() ? "is not healthy" : "ended"));
}

std::string Cluster::Obituary(Node node, const std::string& what) const {
  return absl::StrCat(NodeName(node), " ", what, "; its log ends:\n", Tail(ContentsOf(LogPath(node))));
}

void Cluster::Kill(Node node) {
  Seat& seat = seats_.at(node);
  seat.process->Kill();
  seat.peak_kib = std::max(seat.peak_kib, seat.process->PeakKib());
}

absl::StatusOr<int> Cluster::Terminate(Node node, absl::Duration patience) {
  Seat& seat = seats_.at(node);
  auto status = seat.process->Terminate(patience);
  seat.peak_kib = std::max(seat.peak_kib, seat.process->PeakKib());
  return status;
}

absl::Status Cluster::Restart(Node node) {
  if (Running(node)) return absl::FailedPreconditionError(absl::StrCat(NodeName(node), " still runs"));
  PeakKib(node);
  return Launch(node);
}

void Cluster::Signal(Node node, int signal) {
  if (!Running(node)) return;
  kill(Pid(node), signal);
  siginfo_t stopped = {};
  if (signal == SIGSTOP) {
    Eventually(kStopPatience, [&] {
      return waitid(P_PID, static_cast<id_t>(Pid(node)), &stopped, WSTOPPED | WNOHANG) != 0 || stopped.si_pid != 0;
    });
  }
}

int Cluster::ExitStatus(Node node) { return *seats_.at(node).process->Wait(absl::ZeroDuration()); }

int64_t Cluster::PeakKib(Node node) {
  Seat& seat = seats_.at(node);
  seat.peak_kib = std::max(seat.peak_kib, seat.process->PeakKib());
  return seat.peak_kib;
}

std::shared_ptr<grpc::Channel> Cluster::Channel(Node node, int index) {
  auto& channel = channels_[{node, index}];
  if (channel == nullptr) channel = NewChannelTo(Address(node), index);
  return channel;
}

std::shared_ptr<grpc::Channel> Cluster::AdminChannel(Node node) {
  auto& channel = admin_channels_[node];
  if (channel == nullptr) channel = NewChannelTo(AdminAddress(node), 0);
  return channel;
}

}  // namespace unwind
