#include "orchestrator/definition/methods.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace unwind {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

std::vector<std::string> MethodsOf(const ServiceDescriptor& service) {
  std::vector<std::string> names;
  for (int i = 0; i < service.method_count(); ++i) names.push_back(service.method(i)->name());
  return names;
}

}  // namespace

const MethodDescriptor* FindUnaryMethod(const google::protobuf::DescriptorPool& pool, const Text& name,
                                        Findings& findings) {
  const std::vector<std::string> parts = absl::StrSplit(name.value, '/');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) {
    findings.Add(name.line, absl::StrCat("'", name.value, "' is not the name of a method"),
                 "write it as package.Service/Method");
    return nullptr;
  }
  const ServiceDescriptor* service = pool.FindServiceByName(parts[0]);
  if (service == nullptr) {
    findings.Add(name.line, absl::StrCat("no descriptor set holds the service '", parts[0], "'"),
                 "correct its name, or load a descriptor set that holds it");
    return nullptr;
  }
  const MethodDescriptor* method = service->FindMethodByName(parts[1]);
  if (method == nullptr) {
    findings.Add(name.line, absl::StrCat("service '", parts[0], "' has no method '", parts[1], "'"),
                 findings.Suggest(parts[1], MethodsOf(*service),
                                  absl::StrCat("its methods are ", absl::StrJoin(MethodsOf(*service), ", "))));
    return nullptr;
  }
  if (method->client_streaming() || method->server_streaming()) {
    findings.Add(name.line, absl::StrCat("'", name.value, "' is a streaming method"),
                 "a saga only calls unary methods");
    return nullptr;
  }
  return method;
}

bool IsOfThisProgram(const MethodDescriptor& method) {
  const std::string& package = method.file()->package();
  return package == "saga.v1" || package == "saga.participant.v1" || absl::StartsWith(package, "grpc.health.") ||
         absl::StartsWith(package, "grpc.reflection.");
}

std::string GrpcPath(const MethodDescriptor& method) {
  return absl::StrCat("/", method.service()->full_name(), "/", method.name());
}

}  // namespace unwind
