#include "tests/support/span_collector.h"

#include <chrono>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "grpcpp/server_builder.h"

namespace unwind {
namespace {

namespace otlp = ::opentelemetry::proto;

std::string TextOf(const otlp::common::v1::AnyValue& value) {
  return value.has_int_value() ? absl::StrCat(value.int_value()) : value.string_value();
}

SpanKind KindOf(otlp::trace::v1::Span::SpanKind kind) {
  if (kind == otlp::trace::v1::Span::SPAN_KIND_SERVER) return SpanKind::kServer;
  if (kind == otlp::trace::v1::Span::SPAN_KIND_CLIENT) return SpanKind::kClient;
  return SpanKind::kInternal;
}

CollectedSpan Read(const std::string& service, const otlp::trace::v1::Span& span) {
  CollectedSpan out = {.service = service,
                       .trace_id = absl::BytesToHexString(span.trace_id()),
                       .span_id = absl::BytesToHexString(span.span_id()),
                       .parent_id = absl::BytesToHexString(span.parent_span_id()),
                       .name = span.name(),
                       .kind = KindOf(span.kind()),
                       .error = span.status().message(),
                       .attributes = {}};
  for (const auto& attribute : span.attributes()) out.attributes[attribute.key()] = TextOf(attribute.value());
  return out;
}

}  // namespace

SpanCollector::SpanCollector(const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
}

SpanCollector::~SpanCollector() { server_->Shutdown(std::chrono::system_clock::now()); }

std::string SpanCollector::target() const { return absl::StrCat("127.0.0.1:", port_); }
std::string SpanCollector::endpoint() const { return absl::StrCat("http://", target()); }

std::vector<CollectedSpan> SpanCollector::All() {
  const std::lock_guard lock(mutex_);
  return spans_;
}

std::vector<CollectedSpan> SpanCollector::OfTrace(const std::string& trace_id) {
  std::vector<CollectedSpan> spans = All();
  std::erase_if(spans, [&](const CollectedSpan& span) { return span.trace_id != trace_id; });
  return spans;
}

grpc::Status SpanCollector::Export(grpc::ServerContext*,
                                   const otlp::collector::trace::v1::ExportTraceServiceRequest* request,
                                   otlp::collector::trace::v1::ExportTraceServiceResponse*) {
  const std::lock_guard lock(mutex_);
  for (const auto& resource : request->resource_spans()) {
    std::string service;
    for (const auto& attribute : resource.resource().attributes()) {
      if (attribute.key() == "service.name") service = attribute.value().string_value();
    }
    for (const auto& scope : resource.scope_spans()) {
      for (const auto& span : scope.spans()) spans_.push_back(Read(service, span));
    }
  }
  return grpc::Status::OK;
}

}  // namespace unwind
