// The real binaries of the shop on loopback: free ports, a scratch folder, kill -9 and restart. For the demo and for
// tests.
#ifndef UNWIND_TESTS_SUPPORT_CLUSTER_H_
#define UNWIND_TESTS_SUPPORT_CLUSTER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "tests/support/certificates.h"
#include "tests/support/postgres.h"
#include "tests/support/process.h"

namespace unwind {

enum class Node {
  kGateway,
  kOrder,
  kStock,
  kPayment,
  kCoupon,
  kWallet,
  kOrchestrator,
  kSecondOrder,
  kSecondStock,
  kSecondPayment,
  kSecondCoupon,
  kSecondWallet,
  kSecondOrchestrator
};

// In the order in which they start: each after those it calls.
inline constexpr std::array<Node, 7> kNodes = {Node::kGateway, Node::kOrder,  Node::kStock,       Node::kPayment,
                                               Node::kCoupon,  Node::kWallet, Node::kOrchestrator};

// Other copies of the services, over the same databases. They are there with ClusterOptions::two_of_each, the second
// orchestrator also where Launch asks for it.
inline constexpr std::array<Node, 6> kSecondNodes = {Node::kSecondOrder,   Node::kSecondStock,
                                                     Node::kSecondPayment, Node::kSecondCoupon,
                                                     Node::kSecondWallet,  Node::kSecondOrchestrator};

// The node that `node` is a copy of, or itself.
Node FirstOf(Node node);

// The name of its program, such as "stock_svc"; of a second one "stock_svc_2".
std::string NodeName(Node node);

class Cluster;

struct ClusterOptions {
  std::string bin_dir;                // the folder of the programs
  bool secure = false;                // mutual TLS, with certificates of an authority of its own
  bool postgres = false;              // databases in a PostgreSQL of its own, not in files
  bool two_of_each = false;           // kSecondNodes too, each called by turns with its first
  std::string scratch_root = "/tmp";  // the scratch folder is made in here
  bool keep_scratch = false;          // else it is removed in the end
  bool metrics = false;               // each process serves its metrics
  bool webhooks = false;              // mock_pg tells payment_svc what it finishes later, and that the orchestrators
  std::map<Node, std::vector<std::string>> extra_flags;  // after ours
  std::string definitions = "orchestrator/sagas";        // the default holds in the root of the project
  std::vector<std::string> environment;  // lines NAME=value of every program, before those of this process
  std::string participants;              // more "service=address" routes of the orchestrator, comma-separated
  // Called before the first process starts, such as to fill the databases.
  std::function<absl::Status(Cluster& cluster)> prepare;
  // What those who call `node`, which listens at `address`, take for its address. Empty: that one.
  std::function<std::string(Node node, const std::string& address)> link;
  // With postgres: what `node`, one of the programs, takes for the address of the PostgreSQL at `address`. Empty:
  // its socket.
  std::function<std::string(Node node, const std::string& address)> database_link;
};

class Cluster {
 public:
  // Returns when every process answers its health check. Call from a thread that outlives the cluster (see
  // Process::Start).
  static absl::StatusOr<std::unique_ptr<Cluster>> Start(ClusterOptions options);
  // Kills all.
  ~Cluster();

  // kill -9.
  void Kill(Node node);
  // SIGTERM; its exit status.
  absl::StatusOr<int> Terminate(Node node, absl::Duration patience = absl::Seconds(20));
  // Starts a node that was killed, at its old port, over its old database; returns when it is healthy.
  absl::Status Restart(Node node);
  // Starts a node that never ran; returns when it is healthy.
  absl::Status Launch(Node node);
  // As Restart without waiting for its health.
  absl::Status Spawn(Node node);
  // Whether it has come to serve since it was started.
  bool Serves(Node node) const;
  // SIGSTOP (returns when all its threads stand still), SIGCONT.
  void Signal(Node node, int signal);
  bool Running(Node node);
  // Those that were started, in that order.
  std::vector<Node> nodes() const;
  // `node` and its copies, of those.
  std::vector<Node> CopiesOf(Node node) const;
  // Of one that has ended: its exit status, or 128 + the signal that ended it.
  int ExitStatus(Node node);
  pid_t Pid(Node node) const;

  // host:port.
  const std::string& Address(Node node) const;
  const std::string& AdminAddress(Node node) const;    // of an orchestrator: where its SagaService is
  const std::string& HealthAddress(Node node) const;   // with secure: its plaintext port for probes
  const std::string& MetricsAddress(Node node) const;  // with ClusterOptions::metrics; a restart keeps it
  // Of `secure`: who signed the certificates of the programs, the path of one of their files ("cert", "key"; "ca"
  // and "crl" are the same of all), and who the channels below are, by the files of kTester.
  const TestAuthority& authority() const { return *authority_; }
  std::string TlsFile(Node node, const std::string& what) const;
  std::string TesterFile(const std::string& what) const;
  static constexpr char kTester[] = "operator";
  // A channel to `address` that shows `certificate`, or none.
  std::shared_ptr<grpc::Channel> ChannelAs(const Certificate* certificate, const std::string& address,
                                           int index = 0) const;
  // Channels with different `index` use different connections.
  std::shared_ptr<grpc::Channel> Channel(Node node, int index = 0);
  std::shared_ptr<grpc::Channel> AdminChannel(Node node);
  std::string Database(Node node) const;  // what its --db takes
  std::string LogPath(Node node) const;
  // "stock_svc `what`; its log ends: ..."
  std::string Obituary(Node node, const std::string& what) const;
  const std::string& scratch() const { return scratch_; }

  // Null without ClusterOptions::postgres.
  PostgresServer* postgres() { return postgres_.get(); }

  // Largest resident set of any incarnation, KiB.
  int64_t PeakKib(Node node);

 private:
  struct Seat {
    std::unique_ptr<Process> process;
    std::string address;
    std::string admin_address;
    std::string health_address;
    std::string metrics_address;
    int64_t peak_kib = 0;
  };

  Cluster(ClusterOptions options, std::string scratch);
  std::string AddressForCallers(Node node) const;
  std::string DatabaseForProgram(Node node) const;
  std::vector<std::string> Arguments(Node node) const;
  std::string Path(Node node, const std::string& suffix) const;
  std::string WebhookSecretFile() const;
  void WriteCertificates();
  std::shared_ptr<grpc::Channel> NewChannelTo(const std::string& address, int index) const;

  const ClusterOptions options_;
  const std::string scratch_;
  std::unique_ptr<TestAuthority> authority_;  // null: plaintext
  Certificate tester_;
  std::unique_ptr<PostgresServer> postgres_;
  std::map<Node, Seat> seats_;
  std::map<std::pair<Node, int>, std::shared_ptr<grpc::Channel>> channels_;
  std::map<Node, std::shared_ptr<grpc::Channel>> admin_channels_;
};

// Whether grpc.health.v1.Health says SERVING of `name`: "readiness", whether callers should be sent to the process; "",
// whether it lives.
bool IsServing(const std::shared_ptr<grpc::Channel>& channel, const std::string& name = "readiness");

// OK once grpc.health.v1.Health says that callers should be sent to the process.
absl::Status WaitUntilHealthy(const std::shared_ptr<grpc::Channel>& channel, absl::Duration patience);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_CLUSTER_H_
