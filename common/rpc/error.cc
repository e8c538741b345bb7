#include "common/rpc/error.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/rpc/deterministic.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace unwind {
namespace {

constexpr char kTypePrefix[] = "type.googleapis.com/";

// Trailers hold the message twice and the details in base64, and a client takes 8 KiB of them: a longer answer would
// reach it as a bare RESOURCE_EXHAUSTED.
constexpr std::size_t kMessageBytesMax = 1024;
constexpr std::size_t kViolationsMax = 16;
constexpr std::size_t kViolationsInMessageMax = 4;
constexpr std::size_t kViolationTextBytesMax = 100;

template <class Detail>
std::string TypeUrl() {
  return absl::StrCat(kTypePrefix, Detail::descriptor()->full_name());
}

// The same error has the same bytes whenever it is made: it is stored and replayed.
template <class Detail>
void SetDetail(absl::Status& status, const Detail& detail) {
  status.SetPayload(TypeUrl<Detail>(), absl::Cord(DeterministicBytes(detail)));
}

// Empty if there is none that parses.
template <class Detail>
Detail DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(TypeUrl<Detail>());  // an absl::optional, which is not the std one
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) detail.Clear();
  return detail;
}

// Cuts between characters. What was cut once is not cut again.
std::string Shorten(absl::string_view text) {
  constexpr absl::string_view kCut = "...";
  if (text.size() <= kMessageBytesMax) return std::string(text);
  std::size_t end = kMessageBytesMax - kCut.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), kCut);
}

google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(Shorten(status.message()));
  status.ForEachPayload([&proto](absl::string_view type_url, const absl::Cord& payload) {
    google::protobuf::Any& any = *proto.add_details();
    any.set_type_url(std::string(type_url));
    any.set_value(std::string(payload));
  });
  // Abseil visits payloads in no fixed order; a repeat must get the same bytes.
  std::sort(proto.mutable_details()->begin(), proto.mutable_details()->end(),
            [](const google::protobuf::Any& a, const google::protobuf::Any& b) { return a.type_url() < b.type_url(); });
  return proto;
}

absl::Status FromProto(int code, const std::string& message, const google::rpc::Status& proto) {
  absl::Status status(static_cast<absl::StatusCode>(code), message);
  for (const google::protobuf::Any& any : proto.details()) status.SetPayload(any.type_url(), absl::Cord(any.value()));
  return status;
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, absl::string_view message, const ErrorInfo& info) {
  google::rpc::ErrorInfo detail;
  detail.set_reason(info.reason);
  detail.set_domain(info.domain);
  for (const auto& [key, value] : info.metadata) (*detail.mutable_metadata())[key] = value;
  absl::Status status(code, message);
  SetDetail(status, detail);
  return status;
}

absl::Status MakeBadRequest(absl::string_view domain, const std::vector<FieldViolation>& violations) {
  google::rpc::BadRequest detail;
  std::vector<std::string> lines;
  for (const FieldViolation& violation : violations) {
    if (lines.size() == kViolationsMax) break;
    google::rpc::BadRequest::FieldViolation& field = *detail.add_field_violations();
    field.set_field(violation.field.substr(0, kViolationTextBytesMax));
    field.set_description(violation.description.substr(0, kViolationTextBytesMax));
    lines.push_back(absl::StrCat(field.field(), ": ", field.description()));
  }
  if (lines.size() > kViolationsInMessageMax) {
    lines.resize(kViolationsInMessageMax);
    lines.push_back(absl::StrCat("and ", violations.size() - kViolationsInMessageMax, " more"));
  }
  absl::Status status = MakeError(absl::StatusCode::kInvalidArgument, absl::StrJoin(lines, "; "),
                                  {.reason = "INVALID_REQUEST",
                                   .domain = std::string(domain),
                                   .metadata = {{"violations", absl::StrCat(violations.size())}}});
  SetDetail(status, detail);
  return status;
}

absl::Status WithRetryAfter(absl::Status status, absl::Duration delay) {
  google::rpc::RetryInfo detail;
  detail.mutable_retry_delay()->set_seconds(absl::ToInt64Seconds(delay));
  detail.mutable_retry_delay()->set_nanos(
      static_cast<int>(absl::ToInt64Nanoseconds(delay - absl::Seconds(absl::ToInt64Seconds(delay)))));
  SetDetail(status, detail);
  return status;
}

absl::Duration GetRetryAfter(const absl::Status& status) {
  const auto detail = DetailOf<google::rpc::RetryInfo>(status);
  const absl::Duration delay =
      absl::Seconds(detail.retry_delay().seconds()) + absl::Nanoseconds(detail.retry_delay().nanos());
  return std::max(delay, absl::ZeroDuration());
}

ErrorInfo GetErrorInfo(const absl::Status& status) {
  const auto detail = DetailOf<google::rpc::ErrorInfo>(status);
  return {detail.reason(), detail.domain(), {detail.metadata().begin(), detail.metadata().end()}};
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status proto = ToProto(status);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), proto.message(),
                      proto.details_size() == 0 ? "" : proto.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status proto;
  if (!proto.ParseFromString(status.error_details())) proto.Clear();
  return FromProto(static_cast<int>(status.error_code()), status.error_message(), proto);
}

std::string SerializeStatus(const absl::Status& status) { return ToProto(status).SerializeAsString(); }

absl::Status ParseStatus(absl::string_view bytes) {
  google::rpc::Status proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InternalError("a stored status does not parse");
  }
  return FromProto(proto.code(), proto.message(), proto);
}

}  // namespace unwind
