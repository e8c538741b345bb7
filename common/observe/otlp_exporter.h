// Sends spans in batches to an OpenTelemetry collector (OTLP/gRPC, opentelemetry/proto/collector/trace/v1). A small
// exporter of our own: Debian 12 has no OpenTelemetry library, and this uses the gRPC that is here.
#ifndef UNWIND_COMMON_OBSERVE_OTLP_EXPORTER_H_
#define UNWIND_COMMON_OBSERVE_OTLP_EXPORTER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/batch_writer.h"
#include "common/base/seldom.h"
#include "common/observe/tracer.h"
#include "grpcpp/channel.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"

namespace unwind {

// Thread-safe. A collector that is away costs nothing but the spans: at most kWaitingMax wait for it, and the rest is
// dropped. Counts trace_spans_exported_total and trace_spans_dropped_total; a warning says once a minute why.
class OtlpExporter final : public Tracer {
 public:
  static constexpr std::size_t kBatchMax = 512;
  static constexpr std::size_t kWaitingMax = 8192;  // spans, of about 1 KiB each

  OtlpExporter(std::shared_ptr<grpc::Channel> channel, std::string service);
  ~OtlpExporter() override;  // sends what waits, for at most kLastExportMax

  void Export(Span span) override;

 private:
  void Send(std::vector<Span> spans);
  absl::Duration TimeToSend() const;
  void Drop(std::size_t spans, absl::string_view why);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<opentelemetry::proto::collector::trace::v1::TraceService::Stub> stub_;
  const std::string service_;
  Seldom warnings_{absl::Minutes(1)};
  std::atomic<std::int64_t> stop_at_micros_;  // by SteadyNow; when what waits is given up
  BatchWriter<Span> writer_;                  // last: its thread uses what is above
};

}  // namespace unwind

#endif  // UNWIND_COMMON_OBSERVE_OTLP_EXPORTER_H_
