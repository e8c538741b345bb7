#include "tests/support/rest_gateway.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/status_macros.h"
#include "sagactl/signing_key.h"
#include "tests/support/certificates.h"
#include "tests/support/poll.h"

namespace unwind {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(60);

// Of each copy of `node`, comma-separated.
template <class AddressOf>
std::string Joined(const Cluster& cluster, Node node, AddressOf address_of) {
  return absl::StrJoin(cluster.CopiesOf(node), ",",
                       [&](std::string* out, Node copy) { absl::StrAppend(out, address_of(copy)); });
}

void WriteAs(const std::string& folder, const Certificate& certificate) {
  std::filesystem::create_directories(folder);
  WriteFile(folder + "/tls.crt", certificate.chain);
  WriteSecret(folder + "/tls.key", certificate.key);
}

}  // namespace

std::string WriteGatewaySecrets(const Cluster& cluster) {
  const TestAuthority& authority = cluster.authority();
  const std::string secrets = absl::StrCat(cluster.scratch(), "/tls/gateway");
  CertificateFor front;
  front.name = "the shop";
  WriteAs(secrets + "/front", authority.Issue(front));
  for (const char* const identity : {"gateway", "operators_gateway"}) {
    WriteAs(absl::StrCat(secrets, "/", identity), authority.Issue(Service(identity)));
  }
  WriteFile(secrets + "/gateway/ca.crt", authority.pem());
  WriteFile(secrets + "/gateway/crl.pem", authority.RevocationList({}));
  const std::string signing_key = absl::StrCat(cluster.scratch(), "/tls/signing.key");
  const std::string key = authority.Issue(Service("identity_provider")).key;
  WriteSecret(signing_key, key);
  WriteFile(secrets + "/jwks.json", sagactl::SigningKey::Read(key)->KeySet());
  return absl::StrCat("secrets=", secrets, "\ngateway_cert=", secrets, "/gateway/tls.crt\ngateway_key=", secrets,
                      "/gateway/tls.key\nsigning_key=", signing_key, "\n");
}

absl::StatusOr<std::unique_ptr<RestGateway>> RestGateway::Start(const Cluster& cluster,
                                                                const RestGatewayOptions& options) {
  const std::string folder = absl::StrCat(cluster.scratch(), "/gateway");
  std::error_code failed;
  std::filesystem::create_directory(folder, failed);
  if (failed) return absl::PermissionDeniedError(absl::StrCat("cannot make ", folder, ": ", failed.message()));
  std::vector<std::string> arguments = {
      "/usr/bin/python3",
      absl::StrCat(options.project, "/gateway/start.py"),
      absl::StrCat("--envoy=", options.envoy),
      absl::StrCat("--files=", options.files),
      absl::StrCat("--run_folder=", folder),
      absl::StrCat("--orchestrator_admin=",
                   Joined(cluster, Node::kOrchestrator, [&](Node copy) { return cluster.AdminAddress(copy); }))};
  const bool is_secure = !options.secrets.empty();
  if (is_secure) arguments.push_back(absl::StrCat("--secrets=", options.secrets));
  if (!options.otlp_endpoint.empty()) {
    arguments.insert(arguments.end(), {absl::StrCat("--otlp_endpoint=", options.otlp_endpoint), "--trace_ratio=1"});
  }
  for (const char* door : {"listen", "admin_listen", "test_listen", "stats_listen"}) {
    if (is_secure && absl::string_view(door) == "test_listen") continue;
    arguments.push_back(absl::StrCat("--", door, "=127.0.0.1:0"));
  }
  for (Node node : kNodes) {
    if (is_secure && node == Node::kGateway) continue;
    const std::string addresses = Joined(cluster, node, [&](Node copy) { return cluster.Address(copy); });
    arguments.push_back(absl::StrCat("--", NodeName(node), "=", addresses));
  }
  std::string log = absl::StrCat(folder, "/log");
  ASSIGN_OR_RETURN(std::unique_ptr<Process> process, Process::Start(arguments, log));
  const std::string file = absl::StrCat(folder, "/addresses");
  Eventually(kStartPatience, [&] { return std::filesystem::exists(file) || !process->Running(); });
  std::string addresses = ContentsOf(file);
  if (addresses.empty()) {
    return absl::UnavailableError(absl::StrCat("the REST gateway did not start: ", ContentsOf(log)));
  }
  return std::unique_ptr<RestGateway>(new RestGateway(std::move(process), std::move(addresses), std::move(log)));
}

std::string ValueOf(const std::string& name, const std::string& lines) {
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(line, absl::MaxSplits('=', 1));
    if (pair.first == name) return pair.second;
  }
  return "";
}

}  // namespace unwind
