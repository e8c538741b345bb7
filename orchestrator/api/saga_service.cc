#include "orchestrator/api/saga_service.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/utf8.h"
#include "common/rpc/caller.h"
#include "common/rpc/caller_fields.h"
#include "common/rpc/error.h"
#include "common/rpc/page_token.h"
#include "orchestrator/api/definition_list.h"
#include "orchestrator/api/saga_proto.h"
#include "orchestrator/api/served_call.h"
#include "orchestrator/api/store_errors.h"
#include "orchestrator/api/watch_stream.h"
#include "orchestrator/core/names.h"
#include "orchestrator/engine/refusals.h"

namespace unwind {
namespace {

constexpr int kEntriesDefault = 200;
constexpr int kEntriesMax = 1000;
constexpr absl::Duration kRetryFullAfter = absl::Milliseconds(100);
constexpr int kLooksMax = 10;

int HistoryPageSize(int asked) { return asked == 0 ? kEntriesDefault : std::min(asked, kEntriesMax); }

// Who asks and why stand in the history, in the log and in the terminals of those who read it: no control characters.
template <class Request>
absl::Status CheckPrintable(const Request& request, bool needs_actor) {
  std::vector<FieldViolation> violations;
  if (needs_actor && request.actor().empty()) violations.push_back({"actor", "must be set"});
  if (!IsPrintable(request.actor())) violations.push_back({"actor", "must have no control characters"});
  if constexpr (requires { request.reason(); }) {
    if (!IsPrintable(request.reason())) violations.push_back({"reason", "must have no control characters"});
  }
  return violations.empty() ? absl::OkStatus() : MakeBadRequest(kSagaDomain, violations);
}

// Who asks: the caller's identity, which no request can say otherwise; without one whom the request names. A step is
// moved by nobody who is not named.
template <class Request>
absl::StatusOr<std::string> ReadActor(const grpc::CallbackServerContext& context, const Request& request) {
  constexpr bool kMayBeNobody = std::is_same_v<Request, saga::v1::CancelSagaRequest>;
  const std::string known = ActorOf(AdmissionOf(context).principal);
  RETURN_IF_ERROR(CheckPrintable(request, !kMayBeNobody && known.empty()));
  if (known.empty()) return request.actor();
  if (!request.actor().empty() && request.actor() != known) return NotTheCaller(kSagaDomain, {"actor"});
  return known;
}

// None: all.
absl::StatusOr<std::optional<SagaState>> ReadState(saga::v1::Saga::State state) {
  if (!saga::v1::Saga::State_IsValid(state)) {
    return MakeBadRequest(kSagaDomain, {{"state", "must be a saga.v1.Saga.State"}});
  }
  if (state == saga::v1::Saga::STATE_UNSPECIFIED) return std::optional<SagaState>();
  return std::optional<SagaState>(static_cast<SagaState>(state));
}

// Of the sagas that were started with `key`, one in each key scope, the newest.
absl::StatusOr<Saga> NewestOf(SagaStore& store, const std::string& definition, const std::string& key) {
  ASSIGN_OR_RETURN(SagaPage page, store.List({.definition = definition, .key = key, .limit = 1}));
  if (!page.unreadable.empty()) return absl::DataLossError(page.unreadable.front().why);
  if (page.sagas.empty()) return absl::NotFoundError("there is none");
  return std::move(page.sagas.front());
}

absl::Status NoSuchDefinition(const std::string& name) {
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("name: there is no definition ", name, "; ListDefinitions names those that there are"),
                   {"DEFINITION_NOT_FOUND", kSagaDomain, {{"name", name}}});
}

}  // namespace

SagaService::SagaService(SagaStore& store, AskDriver ask, HoldPauses hold, const DefinitionCatalog& catalog,
                         const Clock& clock, const SagaServiceOptions& options)
    : store_(store),
      ask_(std::move(ask)),
      hold_(std::move(hold)),
      catalog_(catalog),
      clock_(clock),
      watches_(
          store, [this](const Saga& saga) { return Show(saga); }, options.watches) {
  for (int i = 0; i < options.readers; ++i) {
    readers_.push_back(std::make_unique<BatchWriter<Job>>(1, options.reads_max, [](std::vector<Job> jobs) {
      for (Job& job : jobs) std::move(job)();
    }));
  }
}

grpc::ServerUnaryReactor* SagaService::GetSaga(grpc::CallbackServerContext* context,
                                               const saga::v1::GetSagaRequest* request, saga::v1::Saga* response) {
  return Serve(context, request, response, kSagaDomain, [this, request, response](Done done) {
    Read(std::move(done), [this, request, response] { return Get(*request, *response); });
  });
}

grpc::ServerUnaryReactor* SagaService::ListSagas(grpc::CallbackServerContext* context,
                                                 const saga::v1::ListSagasRequest* request,
                                                 saga::v1::ListSagasResponse* response) {
  return Serve(context, request, response, kSagaDomain, [this, request, response](Done done) {
    Read(std::move(done), [this, request, response] { return List(*request, *response); });
  });
}

grpc::ServerUnaryReactor* SagaService::GetHistory(grpc::CallbackServerContext* context,
                                                  const saga::v1::GetHistoryRequest* request,
                                                  saga::v1::GetHistoryResponse* response) {
  return Serve(context, request, response, kSagaDomain, [this, request, response](Done done) {
    Read(std::move(done), [this, request, response] { return History(*request, *response); });
  });
}

grpc::ServerUnaryReactor* SagaService::ListDefinitions(grpc::CallbackServerContext* context,
                                                       const saga::v1::ListDefinitionsRequest* request,
                                                       saga::v1::ListDefinitionsResponse* response) {
  return Serve(context, request, response, kSagaDomain, [this, response](Done done) {
    Read(std::move(done),
         [this, response] { return ToCaller(unwind::ListDefinitions(store_, catalog_, *response), {}); });
  });
}

grpc::ServerUnaryReactor* SagaService::PauseDefinition(grpc::CallbackServerContext* context,
                                                       const saga::v1::PauseDefinitionRequest* request,
                                                       saga::v1::PauseDefinitionResponse* response) {
  return ChangePause(context, request, response, [this, request, response](const std::string& actor) -> absl::Status {
    ASSIGN_OR_RETURN(const DefinitionPause pause, store_.PutPause(request->name(), actor, request->reason()));
    *response->mutable_pause() = ToProto(pause);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* SagaService::ResumeDefinition(grpc::CallbackServerContext* context,
                                                        const saga::v1::ResumeDefinitionRequest* request,
                                                        saga::v1::ResumeDefinitionResponse* response) {
  return ChangePause(context, request, response, [this, request](const std::string& actor) -> absl::Status {
    RETURN_IF_ERROR(store_.RemovePause(request->name()));
    Log(Severity::kInfo, "a definition was resumed", {{"definition", request->name()}, {"actor", actor}});
    return absl::OkStatus();
  });
}

template <class Request, class Response>
grpc::ServerUnaryReactor* SagaService::ChangePause(
    grpc::CallbackServerContext* context, const Request* request, Response* response,
    absl::AnyInvocable<absl::Status(const std::string& actor) &&> write) {
  return Serve(context, request, response, kSagaDomain,
               [this, context, request, write = std::move(write)](Done done) mutable {
                 absl::StatusOr<std::string> actor = ReadActor(*context, *request);
                 if (!actor.ok()) return std::move(done)(actor.status());
                 Enqueue(std::move(done),
                         [this, request, actor = *std::move(actor), write = std::move(write)](Done inner) mutable {
                           const absl::Status written = std::move(write)(actor);
                           if (absl::IsNotFound(written)) return std::move(inner)(NoSuchDefinition(request->name()));
                           if (!written.ok()) return std::move(inner)(ToCaller(written, {}));
                           auto shared = std::make_shared<Done>(std::move(inner));
                           hold_([shared](absl::Status held) { std::move (*shared)(std::move(held)); });
                         });
               });
}

grpc::ServerWriteReactor<saga::v1::WatchSagaResponse>* SagaService::WatchSaga(
    grpc::CallbackServerContext* context, const saga::v1::WatchSagaRequest* request) {
  return Watch<saga::v1::WatchSagaResponse>(context, *request, [request]() -> absl::StatusOr<std::unique_ptr<Watched>> {
    return std::make_unique<WatchedSaga>(request->saga_id(), request->after_version());
  });
}

grpc::ServerWriteReactor<saga::v1::WatchSagasResponse>* SagaService::WatchSagas(
    grpc::CallbackServerContext* context, const saga::v1::WatchSagasRequest* request) {
  return Watch<saga::v1::WatchSagasResponse>(context, *request,
                                             [request]() -> absl::StatusOr<std::unique_ptr<Watched>> {
                                               SagaFilter filter;
                                               filter.definition = request->definition();
                                               ASSIGN_OR_RETURN(filter.state, ReadState(request->state()));
                                               return std::make_unique<WatchedList>(std::move(filter));
                                             });
}

template <class Response, class Request, class Make>
WatchStream<Response>* SagaService::Watch(grpc::CallbackServerContext* context, const Request& request,
                                          const Make& make) {
  const auto stream =
      WatchStream<Response>::Open(context, [this](const WatchSink* closed) { watches_.Remove(closed); });
  absl::Status status = CheckCall(*context, request, kSagaDomain);
  if (status.ok()) {
    absl::StatusOr<std::unique_ptr<Watched>> watched = make();
    status = watched.ok() ? watches_.Add(stream, *std::move(watched)) : watched.status();
  }
  if (!status.ok()) stream->End(std::move(status));
  return stream.get();
}

grpc::ServerUnaryReactor* SagaService::CancelSaga(grpc::CallbackServerContext* context,
                                                  const saga::v1::CancelSagaRequest* request,
                                                  saga::v1::CancelSagaResponse* response) {
  return Serve(context, request, response, kSagaDomain, [this, context, request, response](Done done) {
    const absl::StatusOr<std::string> actor = ReadActor(*context, *request);
    if (!actor.ok()) return std::move(done)(actor.status());
    // A std::function must be copyable, so the move-only `done` is shared with it.
    auto shared = std::make_shared<Done>(std::move(done));
    ask_(request->saga_id(), CancelRequested{.actor = *actor, .reason = request->reason()},
         /*seen_version=*/0, [this, request, response, shared](const Progress& progress) {
           if (progress.status.ok()) *response->mutable_saga() = Show(progress.saga);
           std::move (*shared)(ToCaller(progress.status, ById(request->saga_id())));
         });
  });
}

grpc::ServerUnaryReactor* SagaService::RetryStep(grpc::CallbackServerContext* context,
                                                 const saga::v1::RetryStepRequest* request,
                                                 saga::v1::RetryStepResponse* response) {
  return Operate(context, request, response, Verb::kRetry);
}

grpc::ServerUnaryReactor* SagaService::SkipStep(grpc::CallbackServerContext* context,
                                                const saga::v1::SkipStepRequest* request,
                                                saga::v1::SkipStepResponse* response) {
  return Operate(context, request, response, Verb::kSkip);
}

grpc::ServerUnaryReactor* SagaService::ResolveStep(grpc::CallbackServerContext* context,
                                                   const saga::v1::ResolveStepRequest* request,
                                                   saga::v1::ResolveStepResponse* response) {
  return Operate(context, request, response, Verb::kResolve);
}

template <class Request, class Response>
grpc::ServerUnaryReactor* SagaService::Operate(grpc::CallbackServerContext* context, const Request* request,
                                               Response* response, Verb verb) {
  return Serve(context, request, response, kSagaDomain, [this, context, request, response, verb](Done done) {
    absl::StatusOr<std::string> actor = ReadActor(*context, *request);
    if (!actor.ok()) return std::move(done)(actor.status());
    const AskedVerb asked = {verb, request->step(), {request->seen_direction(), request->seen_phase()}};
    PutVerb(*request, *response, asked, *std::move(actor), kLooksMax, std::move(done));
  });
}

template <class Request, class Response>
void SagaService::PutVerb(const Request& request, Response& response, AskedVerb asked, std::string actor, int looks,
                          Done done) {
  Enqueue(std::move(done),
          [this, &request, &response, asked = std::move(asked), actor = std::move(actor), looks](Done inner) mutable {
            auto operated = ReadOperated(request, asked);
            if (!operated.ok()) return std::move(inner)(operated.status());
            operated->first.actor = actor;
            auto shared = std::make_shared<Done>(std::move(inner));
            ask_(request.saga_id(), std::move(operated->first), operated->second,
                 [this, &request, &response, asked = std::move(asked), actor = std::move(actor), looks,
                  shared](const Progress& progress) {
                   if (looks > 1 && GetErrorInfo(progress.status).reason == "SAGA_MOVED") {
                     return PutVerb(request, response, asked, actor, looks - 1, std::move(*shared));
                   }
                   if (progress.status.ok()) *response.mutable_saga() = Show(progress.saga);
                   std::move (*shared)(ToCaller(progress.status, ById(request.saga_id())));
                 });
          });
}

template <class Request>
absl::StatusOr<std::pair<Operated, std::int64_t>> SagaService::ReadOperated(const Request& request, AskedVerb& asked) {
  const absl::StatusOr<Saga> saga = store_.Load(request.saga_id());
  if (!saga.ok()) return ToCaller(saga.status(), ById(request.saga_id()));
  const auto definition = catalog_.Of(*saga);
  // What it lacks is said before what the step lacks.
  const bool is_driven = IsTerminal(saga->state) || catalog_.ToDrive(*saga) != nullptr;
  if (definition == nullptr || !is_driven) return NotDriven(catalog_, *saga);
  ASSIGN_OR_RETURN(Operated operated, ReadVerb(*definition, *saga, asked, clock_.Now()));
  asked.seen = SeenOf(*definition, *saga, operated.step);  // at another look it must be so still
  operated.reason = request.reason();
  if constexpr (std::is_same_v<Request, saga::v1::ResolveStepRequest>) {
    ASSIGN_OR_RETURN(operated.reply, ReadKnownReply(*definition, *saga, operated.step, request));
  }
  return std::pair(std::move(operated), saga->version);  // the verb is for what was seen, not for what comes after
}

void SagaService::Read(Done done, absl::AnyInvocable<absl::Status() &&> read) {
  Enqueue(std::move(done), [read = std::move(read)](Done inner) mutable { std::move(inner)(std::move(read)()); });
}

void SagaService::Enqueue(Done done, absl::AnyInvocable<void(Done) &&> work) {
  auto shared = std::make_shared<Done>(std::move(done));  // still ours if the queue is full
  Job job = [shared, work = std::move(work)]() mutable { std::move(work)(std::move(*shared)); };
  if (readers_[turn_++ % readers_.size()]->Push(std::move(job))) return;
  std::move (*shared)(WithRetryAfter(
      MakeError(absl::StatusCode::kResourceExhausted, "too many reads wait", {"OVERLOADED", kSagaDomain, {}}),
      kRetryFullAfter));
}

absl::Status SagaService::Get(const saga::v1::GetSagaRequest& request, saga::v1::Saga& response) {
  const bool by_key = !request.definition().empty() && !request.key().empty();
  if (request.saga_id().empty() != by_key) {
    return MakeBadRequest(kSagaDomain, {{"saga_id", by_key ? "must be empty where definition and key are given"
                                                           : "must be given, or else both definition and key"}});
  }
  const absl::StatusOr<Saga> saga =
      by_key ? NewestOf(store_, request.definition(), request.key()) : store_.Load(request.saga_id());
  if (!saga.ok()) {
    return ToCaller(saga.status(), by_key ? About{{"definition", request.definition()}, {"key", request.key()}}
                                          : ById(request.saga_id()));
  }
  response = Show(*saga);
  if (!IsTerminal(saga->state)) return absl::OkStatus();
  const absl::StatusOr<std::vector<Child>> children = store_.Children(saga->id);
  if (!children.ok()) return ToCaller(children.status(), ById(saga->id));
  for (const Child& child : *children) *response.add_children() = ToProto(child);
  return absl::OkStatus();
}

absl::Status SagaService::List(const saga::v1::ListSagasRequest& request, saga::v1::ListSagasResponse& response) {
  if (!request.key().empty() && request.definition().empty()) {
    return MakeBadRequest(kSagaDomain, {{"key", "needs a definition: name the one the saga was started with"}});
  }
  const StepFilter steps = StepFilterOf(request);
  std::vector<std::string> filters = {"sagas",
                                      request.definition(),
                                      absl::StrCat(request.state()),
                                      request.key(),
                                      request.create_time_from().ShortDebugString(),
                                      request.create_time_before().ShortDebugString()};
  if (steps.any()) filters.push_back(NameOf(steps));
  SagaFilter filter;
  ASSIGN_OR_RETURN(filter.state, ReadState(request.state()));
  ASSIGN_OR_RETURN(filter.before_id, ReadPageToken(kSagaDomain, filters, request.page_token()));
  filter.definition = request.definition();
  filter.key = request.key();
  if (request.has_create_time_from()) filter.created_from = TimeOf(request.create_time_from());
  if (request.has_create_time_before()) filter.created_before = TimeOf(request.create_time_before());
  filter.limit = static_cast<int>(PageSize(request.page_size()));
  if (steps.any()) return ListBySteps(std::move(filter), steps, filters, response);
  const absl::StatusOr<SagaPage> page = store_.List(filter);
  if (!page.ok()) return ToCaller(page.status(), {});
  for (const Saga& saga : page->sagas) *response.add_sagas() = Show(saga);
  for (const UnreadableSaga& each : page->unreadable) {
    saga::v1::UnreadableSaga& unreadable = *response.add_unreadable();
    unreadable.set_saga_id(each.id);
    unreadable.set_reason(each.why);
  }
  if (page->rows() < static_cast<std::size_t>(filter.limit) && !page->is_cut) return absl::OkStatus();
  filter.before_id = page->last_id;
  filter.limit = 1;
  const absl::StatusOr<SagaPage> next = store_.List(filter);
  if (!next.ok()) return ToCaller(next.status(), {});
  if (next->rows() > 0) response.set_next_page_token(WritePageToken(filters, page->last_id));
  return absl::OkStatus();
}

// A page begins after the id that its token has.
absl::Status SagaService::ListBySteps(SagaFilter filter, const StepFilter& steps,
                                      const std::vector<std::string>& filters, saga::v1::ListSagasResponse& response) {
  if (filter.state.has_value() && IsTerminal(*filter.state)) {
    return MakeBadRequest(kSagaDomain,
                          {{"state", "must be that of a saga which has not ended, where stuck or waiting is set"}});
  }
  const std::string after = std::exchange(filter.before_id, "");
  const absl::StatusOr<StepListPage> page = FindBySteps(store_, catalog_, filter, steps, after);
  if (!page.ok()) return ToCaller(page.status(), {});
  for (const Saga& saga : page->sagas) *response.add_sagas() = Show(saga);
  if (!page->last_id.empty()) response.set_next_page_token(WritePageToken(filters, page->last_id));
  return absl::OkStatus();
}

absl::Status SagaService::History(const saga::v1::GetHistoryRequest& request, saga::v1::GetHistoryResponse& response) {
  const std::vector<std::string> filters = {"history", request.saga_id()};
  ASSIGN_OR_RETURN(const std::string position, ReadPageToken(kSagaDomain, filters, request.page_token()));
  std::int64_t after = 0;
  if (!position.empty() && !absl::SimpleAtoi(position, &after)) return BadPageToken(kSagaDomain);
  const absl::StatusOr<Saga> saga = store_.Load(request.saga_id());
  if (!saga.ok()) return ToCaller(saga.status(), ById(request.saga_id()));
  const auto definition = catalog_.Of(*saga);
  const Plan* plan = definition == nullptr ? nullptr : &definition->plan();
  const int size = HistoryPageSize(request.page_size());
  const absl::StatusOr<std::vector<HistoryEvent>> entries = store_.History(request.saga_id(), after, size + 1);
  if (!entries.ok()) return ToCaller(entries.status(), ById(request.saga_id()));
  for (const HistoryEvent& entry : *entries) {
    if (response.entries_size() == size) {
      response.set_next_page_token(WritePageToken(filters, absl::StrCat(response.entries(size - 1).seq())));
      break;
    }
    *response.add_entries() = ToProto(entry, plan);
  }
  return absl::OkStatus();
}

saga::v1::Saga SagaService::Show(const Saga& saga) const {
  const auto definition = catalog_.Of(saga);
  return ToProto(saga, definition == nullptr ? nullptr : &definition->plan());
}

}  // namespace unwind
