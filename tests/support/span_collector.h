// An OpenTelemetry collector of the tests' own: takes OTLP over gRPC at a free port and keeps every span.
#ifndef UNWIND_TESTS_SUPPORT_SPAN_COLLECTOR_H_
#define UNWIND_TESTS_SUPPORT_SPAN_COLLECTOR_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/span.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"

namespace unwind {

struct CollectedSpan {
  std::string service;  // of the resource
  std::string trace_id, span_id, parent_id;
  std::string name;
  SpanKind kind;
  std::string error;
  std::map<std::string, std::string> attributes;
};

// Thread-safe.
class SpanCollector final : public opentelemetry::proto::collector::trace::v1::TraceService::Service {
 public:
  explicit SpanCollector(
      const std::shared_ptr<grpc::ServerCredentials>& credentials = grpc::InsecureServerCredentials());
  ~SpanCollector() override;

  std::string endpoint() const;  // what --otlp_endpoint takes
  std::string target() const;

  std::vector<CollectedSpan> All();
  std::vector<CollectedSpan> OfTrace(const std::string& trace_id);

 private:
  grpc::Status Export(grpc::ServerContext*,
                      const opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest* request,
                      opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse*) override;

  int port_ = 0;
  std::mutex mutex_;
  std::vector<CollectedSpan> spans_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_SPAN_COLLECTOR_H_
