// Where the participants are: service name -> gRPC target, from the flag --participants.
#ifndef UNWIND_ORCHESTRATOR_PARTICIPANTS_ROUTES_H_
#define UNWIND_ORCHESTRATOR_PARTICIPANTS_ROUTES_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "orchestrator/definition/definition.h"

namespace unwind {

// Full service name, such as "shop.order.v1.OrderService", -> target, such as "127.0.0.1:7001" or "dns:///order:7001".
using Routes = std::map<std::string, std::string, std::less<>>;

// Reads "SERVICE=TARGET,SERVICE=TARGET,...", a target being HOST:PORT, [IPV6]:PORT, dns:///HOST:PORT, unix:PATH or
// another gRPC URI; ipv4:HOST:PORT,HOST:PORT,... names each copy of a service. INVALID_ARGUMENT lists every bad entry,
// one a line, with the part that is wrong.
absl::StatusOr<Routes> ParseRoutes(absl::string_view text);

// The service of a path "/package.Service/Method"; empty if it is none.
absl::string_view ServiceOf(absl::string_view path);

// NOT_FOUND lists every step of `definition` that calls a service without a route, one a line.
absl::Status CheckRoutes(const Definition& definition, const Routes& routes);

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_PARTICIPANTS_ROUTES_H_
