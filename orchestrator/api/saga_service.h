// saga.v1.SagaService: reading sagas from the store, cancelling and mending them through the driver.
#ifndef UNWIND_ORCHESTRATOR_API_SAGA_SERVICE_H_
#define UNWIND_ORCHESTRATOR_API_SAGA_SERVICE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/base/batch_writer.h"
#include "common/base/clock.h"
#include "common/rpc/unary.h"
#include "orchestrator/api/step_list.h"
#include "orchestrator/api/step_verb.h"
#include "orchestrator/api/watches.h"
#include "orchestrator/definition/definition.h"
#include "orchestrator/engine/driver.h"
#include "orchestrator/engine/saga_store.h"
#include "saga/v1/saga_service.grpc.pb.h"

namespace unwind {

template <class Response>
class WatchStream;

// Driver::Ask.
using AskDriver = std::function<void(const std::string& saga_id, Event event, std::int64_t seen_version,
                                     std::function<void(Progress)> answered)>;

// Driver::HoldPauses.
using HoldPauses = std::function<void(std::function<void(absl::Status)> held)>;

struct SagaServiceOptions {
  int readers = 2;               // threads that wait for the store, so that gRPC's never do
  std::size_t reads_max = 1000;  // waiting reads of one reader; more are refused
  WatchesOptions watches = {};
};

// Thread-safe.
class SagaService final : public saga::v1::SagaService::CallbackService {
 public:
  // `store`, `catalog` and `clock` must outlive it.
  SagaService(SagaStore& store, AskDriver ask, HoldPauses hold, const DefinitionCatalog& catalog, const Clock& clock,
              const SagaServiceOptions& options);

  grpc::ServerUnaryReactor* GetSaga(grpc::CallbackServerContext* context, const saga::v1::GetSagaRequest* request,
                                    saga::v1::Saga* response) override;
  grpc::ServerUnaryReactor* ListSagas(grpc::CallbackServerContext* context, const saga::v1::ListSagasRequest* request,
                                      saga::v1::ListSagasResponse* response) override;
  grpc::ServerUnaryReactor* CancelSaga(grpc::CallbackServerContext* context, const saga::v1::CancelSagaRequest* request,
                                       saga::v1::CancelSagaResponse* response) override;
  grpc::ServerUnaryReactor* RetryStep(grpc::CallbackServerContext* context, const saga::v1::RetryStepRequest* request,
                                      saga::v1::RetryStepResponse* response) override;
  grpc::ServerUnaryReactor* SkipStep(grpc::CallbackServerContext* context, const saga::v1::SkipStepRequest* request,
                                     saga::v1::SkipStepResponse* response) override;
  grpc::ServerUnaryReactor* ResolveStep(grpc::CallbackServerContext* context,
                                        const saga::v1::ResolveStepRequest* request,
                                        saga::v1::ResolveStepResponse* response) override;
  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context, const saga::v1::GetHistoryRequest* request,
                                       saga::v1::GetHistoryResponse* response) override;
  grpc::ServerUnaryReactor* ListDefinitions(grpc::CallbackServerContext* context,
                                            const saga::v1::ListDefinitionsRequest* request,
                                            saga::v1::ListDefinitionsResponse* response) override;
  grpc::ServerUnaryReactor* PauseDefinition(grpc::CallbackServerContext* context,
                                            const saga::v1::PauseDefinitionRequest* request,
                                            saga::v1::PauseDefinitionResponse* response) override;
  grpc::ServerUnaryReactor* ResumeDefinition(grpc::CallbackServerContext* context,
                                             const saga::v1::ResumeDefinitionRequest* request,
                                             saga::v1::ResumeDefinitionResponse* response) override;
  grpc::ServerWriteReactor<saga::v1::WatchSagaResponse>* WatchSaga(grpc::CallbackServerContext* context,
                                                                   const saga::v1::WatchSagaRequest* request) override;
  grpc::ServerWriteReactor<saga::v1::WatchSagasResponse>* WatchSagas(
      grpc::CallbackServerContext* context, const saga::v1::WatchSagasRequest* request) override;

  // Ends all watches, with the reason: they have no end of their own, and would hold up a server's drain.
  void EndWatches() { watches_.EndAll(); }

 private:
  using Job = absl::AnyInvocable<void() &&>;

  template <class Response, class Request, class Make>
  WatchStream<Response>* Watch(grpc::CallbackServerContext* context, const Request& request, const Make& make);
  // Runs `read` on a reader and ends the call with what it returns.
  void Read(Done done, absl::AnyInvocable<absl::Status() &&> read);
  // Runs `job` on a reader, which then owns the call's end.
  void Enqueue(Done done, absl::AnyInvocable<void(Done) &&> job);
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Operate(grpc::CallbackServerContext* context, const Request* request, Response* response,
                                    Verb verb);
  template <class Request>
  absl::StatusOr<std::pair<Operated, std::int64_t>> ReadOperated(const Request& request, AskedVerb& asked);
  // Looks at the saga and puts the verb to it as it stands; `looks` times at most, while it moves meanwhile without
  // that the verb means something else, as one does that repeats a call.
  template <class Request, class Response>
  void PutVerb(const Request& request, Response& response, AskedVerb asked, std::string actor, int looks, Done done);
  // Runs `write` on a reader, and ends the call once what it stored holds at this instance.
  template <class Request, class Response>
  grpc::ServerUnaryReactor* ChangePause(grpc::CallbackServerContext* context, const Request* request,
                                        Response* response,
                                        absl::AnyInvocable<absl::Status(const std::string& actor) &&> write);
  absl::Status Get(const saga::v1::GetSagaRequest& request, saga::v1::Saga& response);
  absl::Status List(const saga::v1::ListSagasRequest& request, saga::v1::ListSagasResponse& response);
  absl::Status ListBySteps(SagaFilter filter, const StepFilter& steps, const std::vector<std::string>& filters,
                           saga::v1::ListSagasResponse& response);
  absl::Status History(const saga::v1::GetHistoryRequest& request, saga::v1::GetHistoryResponse& response);
  saga::v1::Saga Show(const Saga& saga) const;

  SagaStore& store_;
  const AskDriver ask_;
  const HoldPauses hold_;
  const DefinitionCatalog& catalog_;
  const Clock& clock_;
  std::vector<std::unique_ptr<BatchWriter<Job>>> readers_;
  std::atomic<std::size_t> turn_ = 0;
  Watches watches_;
};

}  // namespace unwind

#endif  // UNWIND_ORCHESTRATOR_API_SAGA_SERVICE_H_
