// The REST gateway before a cluster: the real Envoy, by gateway/start.py.
#ifndef UNWIND_TESTS_SUPPORT_REST_GATEWAY_H_
#define UNWIND_TESTS_SUPPORT_REST_GATEWAY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/support/cluster.h"
#include "tests/support/process.h"

namespace unwind {

struct RestGatewayOptions {
  std::string envoy;          // the program
  std::string project;        // the folder that has gateway/
  std::string files;          // the folder that has unwind.protoset
  std::string secrets;        // as start.py takes them; empty: in plaintext, and with the test routes
  std::string otlp_endpoint;  // where the span of every request goes; empty: there is none
};

// Writes what the REST gateway of a secure cluster needs: its certificates, and a key that signs members' tokens, with
// the set by which they are verified. As lines NAME=path: secrets, the folder; gateway_cert and gateway_key, by which
// it calls the services; signing_key.
std::string WriteGatewaySecrets(const Cluster& cluster);

class RestGateway {
 public:
  // Returns when it serves; its configuration and its log are in the cluster's scratch folder. As Process::Start, call
  // from a thread that outlives it.
  static absl::StatusOr<std::unique_ptr<RestGateway>> Start(const Cluster& cluster, const RestGatewayOptions& options);

  // A line NAME=host:port for each of its doors: gateway, gateway_admin, gateway_stats, and gateway_test in plaintext.
  const std::string& addresses() const { return addresses_; }
  const std::string& log() const { return log_; }
  bool Running() { return process_->Running(); }

 private:
  RestGateway(std::unique_ptr<Process> process, std::string addresses, std::string log)
      : process_(std::move(process)), addresses_(std::move(addresses)), log_(std::move(log)) {}

  const std::unique_ptr<Process> process_;
  const std::string addresses_;
  const std::string log_;
};

// The value of `name` among lines of NAME=VALUE; empty if it is not there.
std::string ValueOf(const std::string& name, const std::string& lines);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_REST_GATEWAY_H_
