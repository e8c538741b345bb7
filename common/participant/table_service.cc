#include "common/participant/table_service.h"

#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/check.h"
#include "common/participant/call_key.h"
#include "common/rpc/bytes.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/rpc/unary.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "grpcpp/impl/rpc_service_method.h"

namespace unwind {
namespace {

using google::protobuf::Message;

constexpr absl::Duration kReadRetryAfter = absl::Milliseconds(100);

// Null if `bytes` are no message of the prototype's type.
std::unique_ptr<Message> Parse(const Message& prototype, const grpc::ByteBuffer& bytes) {
  std::unique_ptr<Message> message(prototype.New());
  return ParseFrom(bytes, *message) ? std::move(message) : nullptr;
}

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

// Adds the outcome that the status code does not tell, and the key of its call: a trailer may be another attempt's.
void AddOutcome(grpc::CallbackServerContext& context, const char* outcome) {
  context.AddTrailingMetadata("saga-outcome", outcome);
  const auto key = context.client_metadata().find("idempotency-key");
  if (key == context.client_metadata().end()) return;
  context.AddTrailingMetadata("saga-outcome-key", std::string(key->second.data(), key->second.size()));
}

void AddTrailers(grpc::CallbackServerContext& context, const Participant::Reply& reply) {
  if (reply.effect_free) AddOutcome(context, "refused");  // it had no effect and never will
  if (!reply.pending) return;
  AddOutcome(context, "pending");
  if (reply.retry_after <= absl::ZeroDuration()) return;
  context.AddTrailingMetadata("saga-retry-after", absl::StrCat(absl::ToInt64Milliseconds(reply.retry_after)));
}

absl::Status Unreadable(const std::string& domain, const Message& prototype) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("the request is not a ", prototype.GetDescriptor()->full_name()),
                   {"INVALID_REQUEST", domain, {}});
}

absl::Status ResetDisabled(const std::string& domain, const std::string& method) {
  return MakeError(absl::StatusCode::kPermissionDenied, absl::StrCat(method, " is served only under --enable_reset"),
                   {"RESET_DISABLED", domain, {}});
}

absl::Status TooManyReads(const std::string& domain) {
  return WithRetryAfter(
      MakeError(absl::StatusCode::kResourceExhausted, "too many reads wait", {"OVERLOADED", domain, {}}),
      kReadRetryAfter);
}

// An error of the database names no reason; the caller is told none of its text.
absl::Status NamedReadError(absl::Status status, const std::string& domain) {
  if (status.ok() || !GetErrorInfo(status).reason.empty()) return status;
  return MakeError(status.code(), "the database cannot be read", {"STORAGE_FAILED", domain, {}});
}

// The table serves what its proto says: each method once, with its types.
void CheckTable(const ServiceTable& table, const std::vector<StepMethod>& steps) {
  const auto* const service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(table.name);
  CHECK(service != nullptr);
  CHECK(static_cast<std::size_t>(service->method_count()) == steps.size() + table.reads.size());
  std::set<std::string> names;
  const auto check = [&](const auto& row) {
    const auto* const method = service->FindMethodByName(row.name);
    CHECK(method != nullptr && names.insert(row.name).second);
    CHECK(method->input_type() == row.request->GetDescriptor());
    CHECK(method->output_type() == row.response->GetDescriptor());
  };
  for (const StepMethod& method : steps) check(method);
  for (const ReadMethod& method : table.reads) check(method);
}

}  // namespace

TableService::TableService(ServiceTable table, const StepDomain& domain, Participant& participant, Reader& reader,
                           bool enable_reset)
    : table_(std::move(table)),
      steps_(domain.methods()),
      first_(domain.first()),
      participant_(participant),
      reader_(reader),
      enable_reset_(enable_reset) {
  CheckTable(table_, steps_);
  for (std::size_t number = 0; number < steps_.size(); ++number) {
    Add(steps_[number].name,
        [this, number](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                       grpc::ByteBuffer* response) { return ServeStep(number, context, *request, response); });
  }
  for (const ReadMethod& method : table_.reads) {
    Add(method.name,
        [this, &method](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                        grpc::ByteBuffer* response) { return ServeRead(method, context, *request, response); });
  }
}

// As a generated service does it, but without the types.
void TableService::Add(const std::string& method, Handler handler) {
  const int index = static_cast<int>(paths_.size());
  paths_.push_back(absl::StrCat("/", table_.name, "/", method));
  AddMethod(new grpc::internal::RpcServiceMethod(paths_.back().c_str(), grpc::internal::RpcMethod::NORMAL_RPC,
                                                 /*handler=*/nullptr));
  MarkMethodRawCallback(
      index, new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(std::move(handler)));
}

grpc::ServerUnaryReactor* TableService::ServeStep(std::size_t number, grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer& bytes, grpc::ByteBuffer* response) {
  const StepMethod& method = steps_[number];
  const std::string& domain = table_.error_domain;
  if (const absl::Status& refusal = AdmissionOf(*context).status; !refusal.ok()) return Refuse(context, refusal);
  if (method.tests_only && !enable_reset_) return Refuse(context, ResetDisabled(domain, method.name));
  const std::shared_ptr<const Message> request = Parse(*method.request, bytes);
  if (request == nullptr) return Refuse(context, Unreadable(domain, *method.request));
  return Serve(
      context, request.get(), response, domain,
      [&, context, request, response](Done done) {
        absl::StatusOr<CallKey> key = ReadCallKey(context->client_metadata(), method.phase, domain);
        if (key.ok() && key->step.empty()) key->key_scope = KeyScopeOf(AdmissionOf(*context).principal);
        if (!key.ok()) return std::move(done)(key.status());
        participant_.Submit(first_ + static_cast<int>(number), *std::move(key), request,
                            [context, response, done = std::move(done)](Participant::Reply reply) mutable {
                              AddTrailers(*context, reply);
                              *response = ToBuffer(reply.response);
                              std::move(done)(std::move(reply.status));
                            });
      },
      method.phase == barrier::Phase::kResolve ? FieldRules::kIgnore : FieldRules::kApply);
}

grpc::ServerUnaryReactor* TableService::ServeRead(const ReadMethod& method, grpc::CallbackServerContext* context,
                                                  const grpc::ByteBuffer& bytes, grpc::ByteBuffer* response) {
  const std::string& domain = table_.error_domain;
  if (const absl::Status& refusal = AdmissionOf(*context).status; !refusal.ok()) return Refuse(context, refusal);
  const std::shared_ptr<const Message> request = Parse(*method.request, bytes);
  if (request == nullptr) return Refuse(context, Unreadable(domain, *method.request));
  return Serve(context, request.get(), response, domain, [&, context, request, response](Done done) {
    const std::shared_ptr<Message> answer(method.response->New());
    Reader::Query query{[&method, principal = AdmissionOf(*context).principal, request,
                         answer](soci::session& session) { return method.read(session, principal, *request, *answer); },
                        [&domain, answer, response, done = std::move(done)](absl::Status status) mutable {
                          *response = ToBuffer(answer->SerializeAsString());
                          std::move(done)(NamedReadError(std::move(status), domain));
                        }};
    if (!reader_.Push(query)) std::move(query.done)(TooManyReads(domain));
  });
}

}  // namespace unwind
