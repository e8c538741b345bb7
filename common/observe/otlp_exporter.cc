#include "common/observe/otlp_exporter.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/metrics/registry.h"
#include "grpcpp/client_context.h"
#include "prometheus/counter.h"

namespace unwind {
namespace {

namespace otlp = ::opentelemetry::proto;

constexpr absl::Duration kSendMax = kLastExportMax;  // so that a stop waits for one call at most

prometheus::Counter& Exported() {
  static prometheus::Counter& spans = prometheus::BuildCounter()
                                          .Name("trace_spans_exported_total")
                                          .Help("Spans that the collector took.")
                                          .Register(*ProcessRegistry())
                                          .Add({});
  return spans;
}

prometheus::Counter& Dropped() {
  static prometheus::Counter& spans =
      prometheus::BuildCounter()
          .Name("trace_spans_dropped_total")
          .Help("Spans that were made and not kept: too many waited, or the collector did not take them.")
          .Register(*ProcessRegistry())
          .Add({});
  return spans;
}

otlp::trace::v1::Span::SpanKind KindOf(SpanKind kind) {
  switch (kind) {
    case SpanKind::kInternal:
      return otlp::trace::v1::Span::SPAN_KIND_INTERNAL;
    case SpanKind::kServer:
      return otlp::trace::v1::Span::SPAN_KIND_SERVER;
    case SpanKind::kClient:
      return otlp::trace::v1::Span::SPAN_KIND_CLIENT;
  }
  return otlp::trace::v1::Span::SPAN_KIND_UNSPECIFIED;
}

void Set(const SpanAttribute& attribute, otlp::common::v1::KeyValue& out) {
  out.set_key(attribute.first);
  if (const auto* const number = std::get_if<std::int64_t>(&attribute.second)) {
    out.mutable_value()->set_int_value(*number);
  } else {
    out.mutable_value()->set_string_value(std::get<std::string>(attribute.second));
  }
}

void Set(const Span& span, otlp::trace::v1::Span& out) {
  out.set_trace_id(absl::HexStringToBytes(span.ids.trace_id));
  out.set_span_id(absl::HexStringToBytes(span.ids.span_id));
  out.set_parent_span_id(absl::HexStringToBytes(span.ids.parent_id));
  out.set_name(span.name);
  out.set_kind(KindOf(span.kind));
  out.set_start_time_unix_nano(static_cast<std::uint64_t>(absl::ToUnixNanos(span.start)));
  out.set_end_time_unix_nano(static_cast<std::uint64_t>(absl::ToUnixNanos(std::max(span.start, span.end))));
  for (const SpanAttribute& attribute : span.attributes) Set(attribute, *out.add_attributes());
  if (span.error.empty()) return;
  out.mutable_status()->set_code(otlp::trace::v1::Status::STATUS_CODE_ERROR);
  out.mutable_status()->set_message(span.error);
}

}  // namespace

OtlpExporter::OtlpExporter(std::shared_ptr<grpc::Channel> channel, std::string service)
    : channel_(std::move(channel)),
      stub_(otlp::collector::trace::v1::TraceService::NewStub(channel_)),
      service_(std::move(service)),
      stop_at_micros_(std::numeric_limits<std::int64_t>::max()),
      writer_(kBatchMax, kWaitingMax, [this](std::vector<Span> spans) { Send(std::move(spans)); }) {
  Exported();  // the series are there before the first span
  Dropped();
}

OtlpExporter::~OtlpExporter() {
  stop_at_micros_ = absl::ToUnixMicros(SteadyNow() + kLastExportMax);
  writer_.Stop();
}

void OtlpExporter::Export(Span span) {
  if (!writer_.Push(std::move(span))) Drop(1, "too many spans wait");
}

absl::Duration OtlpExporter::TimeToSend() const {
  const std::int64_t stop_at = stop_at_micros_;
  if (stop_at == std::numeric_limits<std::int64_t>::max()) return kSendMax;
  return std::min(kSendMax, absl::FromUnixMicros(stop_at) - SteadyNow());
}

void OtlpExporter::Send(std::vector<Span> spans) {
  otlp::collector::trace::v1::ExportTraceServiceRequest request;
  otlp::trace::v1::ResourceSpans& resource = *request.add_resource_spans();
  Set({"service.name", service_}, *resource.mutable_resource()->add_attributes());
  otlp::trace::v1::ScopeSpans& scope = *resource.add_scope_spans();
  scope.mutable_scope()->set_name("unwind");
  for (const Span& span : spans) Set(span, *scope.add_spans());

  const absl::Duration time = TimeToSend();
  if (time <= absl::ZeroDuration()) return Drop(spans.size(), "the process ends");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + time));
  otlp::collector::trace::v1::ExportTraceServiceResponse response;
  const grpc::Status status = stub_->Export(&context, request, &response);
  if (!status.ok()) return Drop(spans.size(), status.error_message());
  const auto rejected =
      std::clamp<std::int64_t>(response.partial_success().rejected_spans(), 0, static_cast<std::int64_t>(spans.size()));
  if (rejected > 0) Drop(static_cast<std::size_t>(rejected), response.partial_success().error_message());
  Exported().Increment(static_cast<double>(spans.size()) - static_cast<double>(rejected));
}

void OtlpExporter::Drop(std::size_t spans, absl::string_view why) {
  Dropped().Increment(static_cast<double>(spans));
  if (warnings_.Happened(SteadyNow()) == 0) return;
  Log(Severity::kWarning, "spans were dropped; trace_spans_dropped_total counts them", {{"error", why}});
}

}  // namespace unwind
