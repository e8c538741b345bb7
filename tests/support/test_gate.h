// A gate for servers without TLS: a call says who makes it. Tests alone can build it; a program believes certificates.
#ifndef UNWIND_TESTS_SUPPORT_TEST_GATE_H_
#define UNWIND_TESTS_SUPPORT_TEST_GATE_H_

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/check.h"
#include "common/rpc/gate.h"
#include "common/rpc/policy_file.h"
#include "grpcpp/server_builder.h"

namespace unwind {

inline constexpr char kTestIdentity[] = "test-identity";  // the metadata that names the caller

// REQUIRES: `yaml` is a policy.
inline std::unique_ptr<Gate> NewTestGate(const std::string& yaml, const ServedNames& served = {}) {
  absl::StatusOr<Policy> policy = ParsePolicy("test.yaml", yaml, served);
  if (!policy.ok()) std::fputs(std::string(policy.status().message()).c_str(), stderr);
  CHECK(policy.ok());
  return std::make_unique<Gate>(*std::move(policy), [](const grpc::ServerContextBase& context) {
    const auto said = context.client_metadata().find(kTestIdentity);
    return said == context.client_metadata().end() ? "" : std::string(said->second.data(), said->second.size());
  });
}

// `gate` must outlive the server.
inline void GuardBy(Gate& gate, grpc::ServerBuilder& builder) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(NewGateInterceptors(gate));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
}

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_TEST_GATE_H_
