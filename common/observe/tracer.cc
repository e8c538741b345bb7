#include "common/observe/tracer.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace unwind {
namespace {

std::atomic<Tracer*> process_tracer = nullptr;

// A call has one server span: its id follows from its caller's.
std::optional<SpanIds> ServerSpanIds(const TraceContext& trace) {
  if (trace.traceparent.empty()) return std::nullopt;
  return ChildOf(trace, SpanIdOf(absl::StrCat(trace.traceparent, "/server")));
}

std::string NameOf(absl::string_view method) { return std::string(absl::StripPrefix(method, "/")); }

}  // namespace

Tracer* ProcessTracer() { return process_tracer; }

TracingScope::TracingScope(std::unique_ptr<Tracer> tracer) : tracer_(std::move(tracer)) {
  process_tracer = tracer_.get();
}

TracingScope::~TracingScope() { process_tracer = nullptr; }

OpenSpan::OpenSpan(SpanKind kind, std::string name, std::optional<SpanIds> ids) {
  if (ProcessTracer() == nullptr || !ids.has_value()) return;
  span_ = Span{.ids = *std::move(ids), .kind = kind, .name = std::move(name), .start = absl::Now()};
}

TraceContext OpenSpan::Inside(TraceContext trace) const {
  return span_.has_value() ? Within(span_->ids, std::move(trace)) : trace;
}

void OpenSpan::End(std::string error, std::vector<SpanAttribute> attributes) {
  Tracer* const tracer = ProcessTracer();
  if (tracer == nullptr || !span_.has_value()) return;
  span_->end = absl::Now();
  span_->error = std::move(error);
  span_->attributes = std::move(attributes);
  tracer->Export(*std::exchange(span_, std::nullopt));
}

OpenSpan OpenServerSpan(absl::string_view method, const TraceContext& trace) {
  return ProcessTracer() == nullptr ? OpenSpan() : OpenSpan(SpanKind::kServer, NameOf(method), ServerSpanIds(trace));
}

TraceContext InsideServerSpan(TraceContext trace) {
  const std::optional<SpanIds> ids = ProcessTracer() == nullptr ? std::nullopt : ServerSpanIds(trace);
  return ids.has_value() ? Within(*ids, std::move(trace)) : trace;
}

OpenSpan OpenClientSpan(absl::string_view method, const TraceContext& trace) {
  return ProcessTracer() == nullptr ? OpenSpan()
                                    : OpenSpan(SpanKind::kClient, NameOf(method), ChildOf(trace, RandomSpanId()));
}

std::vector<SpanAttribute> CallAttributes(absl::string_view method, int code) {
  const absl::string_view path = absl::StripPrefix(method, "/");
  const std::size_t slash = path.find('/');
  return {{"rpc.system", "grpc"},
          {"rpc.service", std::string(path.substr(0, slash))},
          {"rpc.method", slash == absl::string_view::npos ? "" : std::string(path.substr(slash + 1))},
          {"rpc.grpc.status_code", std::int64_t{code}}};
}

std::string ErrorOf(const absl::Status& status) {
  if (status.ok()) return "";
  std::string reason = GetErrorInfo(status).reason;
  return reason.empty() ? absl::StatusCodeToString(status.code()) : reason;
}

}  // namespace unwind
