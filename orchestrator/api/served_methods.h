// Serves every definition's method as an ordinary unary gRPC method, from descriptors alone.
#ifndef UNWIND_ORCHESTRATOR_API_SERVED_METHODS_H_
#define UNWIND_ORCHESTRATOR_API_SERVED_METHODS_H_

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "grpcpp/generic/async_generic_service.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/driver.h"

namespace unwind {

struct ServedMethodsOptions {
  absl::Duration wait_max = absl::Seconds(30);  // how long a call without a deadline waits for its saga
};

// Driver::Accept.
using AcceptSaga = std::function<std::function<void()>(NewSaga saga, absl::Time answer_by,
                                                       std::function<void(const std::string&)> accepted,
                                                       std::function<void(Progress)> answered)>;

// Register it with ServerBuilder::RegisterCallbackGenericService: it gets the calls that no compiled service takes. A
// path that no definition serves is UNIMPLEMENTED. The saga does not notice its caller leaving, and a caller who left
// costs no memory.
class ServedMethods final : public grpc::CallbackGenericService {
 public:
  // `catalog` and `clock` must outlive it.
  ServedMethods(AcceptSaga accept, const DefinitionCatalog& catalog, const Clock& clock, ServedMethodsOptions options);

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override;

 private:
  class Call;

  const AcceptSaga accept_;
  const DefinitionCatalog& catalog_;
  const Clock& clock_;
  const ServedMethodsOptions options_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_SERVED_METHODS_H_
