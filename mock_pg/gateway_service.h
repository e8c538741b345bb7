// pg.v1.PaymentGateway and pg.v1.MockControl over one Gateway.
#ifndef UNWIND_MOCK_PG_GATEWAY_SERVICE_H_
#define UNWIND_MOCK_PG_GATEWAY_SERVICE_H_

#include "common/rpc/unary.h"
#include "mock_pg/delay_queue.h"
#include "mock_pg/gateway.h"
#include "mock_pg/open_call.h"
#include "pg/v1/mock_control.grpc.pb.h"
#include "pg/v1/payment_gateway.grpc.pb.h"

namespace unwind::pg {

inline constexpr std::size_t kDelayedCallsMax = 20000;

Scenario ReadScenario(const ::pg::v1::Scenario& scenario);

// A ledger entry as the API shows it.
void Write(const Entry& entry, ::pg::v1::Transaction& transaction);

class GatewayService final : public ::pg::v1::PaymentGateway::CallbackService {
 public:
  // `gateway` must outlive this.
  explicit GatewayService(Gateway& gateway);

  // Ends the delayed and the hung calls; call it before the server's shutdown, which would wait for them. Idempotent.
  void Close();

  grpc::ServerUnaryReactor* Confirm(grpc::CallbackServerContext* context, const ::pg::v1::ConfirmRequest* request,
                                    ::pg::v1::ConfirmResponse* response) override;
  grpc::ServerUnaryReactor* Fence(grpc::CallbackServerContext* context, const ::pg::v1::FenceRequest* request,
                                  ::pg::v1::FenceResponse* response) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context, const ::pg::v1::CancelRequest* request,
                                   ::pg::v1::CancelResponse* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const ::pg::v1::GetRequest* request,
                                ::pg::v1::GetResponse* response) override;
  grpc::ServerUnaryReactor* ListTransactions(grpc::CallbackServerContext* context,
                                             const ::pg::v1::ListTransactionsRequest* request,
                                             ::pg::v1::ListTransactionsResponse* response) override;
  grpc::ServerUnaryReactor* Process(grpc::CallbackServerContext* context, const ::pg::v1::ProcessRequest* request,
                                    ::pg::v1::ProcessResponse* response) override;

 private:
  using Work = absl::AnyInvocable<void(std::shared_ptr<Caller>) &&>;
  using Tell = absl::AnyInvocable<absl::Status(const absl::StatusOr<Entry>&) &&>;

  // Opens the call and does `work` after the scenario's delay. A delayed call is done although its caller has left
  // meanwhile: a slow network delivers late, too.
  grpc::ServerUnaryReactor* Open(grpc::CallbackServerContext* context, const google::protobuf::Message& request,
                                 Work work);
  // Answers with what `tell` makes of the entry, or of why there is none.
  void Submit(std::shared_ptr<Caller> caller, Operation operation, Tell tell);

  Gateway& gateway_;
  IdleCalls idle_;
  DelayQueue delays_{kDelayedCallsMax};  // last: its closures use what is above
};

class ControlService final : public ::pg::v1::MockControl::CallbackService {
 public:
  explicit ControlService(Gateway& gateway) : gateway_(gateway) {}

  grpc::ServerUnaryReactor* SetScenario(grpc::CallbackServerContext* context,
                                        const ::pg::v1::SetScenarioRequest* request,
                                        ::pg::v1::SetScenarioResponse* response) override;
  grpc::ServerUnaryReactor* GetScenario(grpc::CallbackServerContext* context,
                                        const ::pg::v1::GetScenarioRequest* request,
                                        ::pg::v1::GetScenarioResponse* response) override;
  grpc::ServerUnaryReactor* Reset(grpc::CallbackServerContext* context, const ::pg::v1::ResetRequest* request,
                                  ::pg::v1::ResetResponse* response) override;

 private:
  Gateway& gateway_;
};

}  // namespace unwind::pg

#endif  // UNWIND_MOCK_PG_GATEWAY_SERVICE_H_
