#include "common/rpc/reflection.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "grpcpp/support/server_callback.h"

namespace unwind {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptorProto;

// The first thing that one of the pools knows; null if none does.
template <class Find>
auto FirstOf(const ReflectionSource& source, Find find) -> decltype(find(*source.pools.front())) {
  for (const DescriptorPool* pool : source.pools) {
    if (auto found = find(*pool); found != nullptr) return found;
  }
  return nullptr;
}

bool HaveTheSameContent(const google::protobuf::FileDescriptor& one, const google::protobuf::FileDescriptor& other) {
  FileDescriptorProto of_one, of_other;
  one.CopyTo(&of_one);
  other.CopyTo(&of_other);
  one.CopyJsonNameTo(&of_one);  // a set says them, what is compiled in does not
  other.CopyJsonNameTo(&of_other);
  return of_one.SerializeAsString() == of_other.SerializeAsString();
}

// What is compiled in has no comments; a descriptor set may have the same file with them.
void CopyComments(const ReflectionSource& source, const google::protobuf::FileDescriptor& file,
                  FileDescriptorProto& proto) {
  for (const DescriptorPool* pool : source.pools) {
    const google::protobuf::FileDescriptor* const same = pool->FindFileByName(file.name());
    if (same == nullptr) continue;
    FileDescriptorProto comments;
    same->CopySourceCodeInfoTo(&comments);
    if (!comments.has_source_code_info() || !HaveTheSameContent(*same, file)) continue;
    *proto.mutable_source_code_info() = std::move(*comments.mutable_source_code_info());
    return;
  }
}

const FieldDescriptor* FindExtension(const DescriptorPool& pool, const std::string& type, int number) {
  const auto* const extendee = pool.FindMessageTypeByName(type);
  return extendee == nullptr ? nullptr : pool.FindExtensionByNumber(extendee, number);
}

// Answers one request; `Request` and `Response` are those of v1 or of v1alpha, which have the same fields.
template <class Request, class Response>
class Answerer {
 public:
  Answerer(const ReflectionSource& source, const Request& request, Response& response)
      : source_(source), request_(request), response_(response) {}

  void Answer() {
    response_.set_valid_host(request_.host());
    *response_.mutable_original_request() = request_;
    switch (request_.message_request_case()) {
      case Request::kListServices:
        for (const std::string& name : source_.services) {
          response_.mutable_list_services_response()->add_service()->set_name(name);
        }
        return;
      case Request::kFileByFilename:
        return AnswerFile(
            FirstOf(source_,
                    [&](const DescriptorPool& pool) { return pool.FindFileByName(request_.file_by_filename()); }),
            request_.file_by_filename());
      case Request::kFileContainingSymbol:
        return AnswerFile(FirstOf(source_,
                                  [&](const DescriptorPool& pool) {
                                    return pool.FindFileContainingSymbol(request_.file_containing_symbol());
                                  }),
                          request_.file_containing_symbol());
      case Request::kFileContainingExtension:
        return AnswerExtension();
      case Request::kAllExtensionNumbersOfType:
        return AnswerExtensionNumbers();
      case Request::MESSAGE_REQUEST_NOT_SET:
        return AnswerError(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing");
    }
  }

 private:
  // The file and everything it imports, so that one request is enough.
  void AnswerFile(const google::protobuf::FileDescriptor* file, const std::string& asked) {
    if (file == nullptr) return AnswerError(grpc::StatusCode::NOT_FOUND, absl::StrCat("not known: ", asked));
    std::set<std::string> seen;
    AddWithImports(*file, seen);
  }

  void AddWithImports(const google::protobuf::FileDescriptor& file, std::set<std::string>& seen) {
    if (!seen.insert(file.name()).second) return;
    FileDescriptorProto proto;
    file.CopyTo(&proto);
    CopyComments(source_, file, proto);
    file.CopyJsonNameTo(&proto);  // else grpcurl takes order_id for the JSON name, which is orderId
    response_.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
    for (int i = 0; i < file.dependency_count(); ++i) AddWithImports(*file.dependency(i), seen);
  }

  void AnswerExtension() {
    const auto& asked = request_.file_containing_extension();
    const FieldDescriptor* const extension = FirstOf(source_, [&](const DescriptorPool& pool) {
      return FindExtension(pool, asked.containing_type(), asked.extension_number());
    });
    AnswerFile(extension == nullptr ? nullptr : extension->file(),
               absl::StrCat("extension ", asked.extension_number(), " of ", asked.containing_type()));
  }

  void AnswerExtensionNumbers() {
    const std::string& type = request_.all_extension_numbers_of_type();
    std::set<int> numbers;
    bool known = false;
    for (const DescriptorPool* pool : source_.pools) {
      const auto* const extendee = pool->FindMessageTypeByName(type);
      if (extendee == nullptr) continue;
      known = true;
      std::vector<const FieldDescriptor*> extensions;
      pool->FindAllExtensions(extendee, &extensions);
      for (const FieldDescriptor* extension : extensions) numbers.insert(extension->number());
    }
    if (!known) return AnswerError(grpc::StatusCode::NOT_FOUND, absl::StrCat("not known: ", type));
    auto& answer = *response_.mutable_all_extension_numbers_response();
    answer.set_base_type_name(type);
    for (const int number : numbers) answer.add_extension_number(number);
  }

  void AnswerError(grpc::StatusCode code, const std::string& message) {
    response_.mutable_error_response()->set_error_code(static_cast<int>(code));
    response_.mutable_error_response()->set_error_message(message);
  }

  const ReflectionSource& source_;
  const Request& request_;
  Response& response_;
};

template <class Request, class Response>
class Stream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  explicit Stream(const ReflectionSource& source) : source_(source) { this->StartRead(&request_); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::OK);
    response_.Clear();
    Answerer<Request, Response>(source_, request_, response_).Answer();
    this->StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::OK);
    this->StartRead(&request_);
  }
  void OnDone() override { delete this; }

  const ReflectionSource& source_;
  Request request_;
  Response response_;
};

template <class Version, class Request, class Response>
class ReflectionService final : public Version::CallbackService {
 public:
  explicit ReflectionService(ReflectionSource source) : source_(std::move(source)) {}

  grpc::ServerBidiReactor<Request, Response>* ServerReflectionInfo(grpc::CallbackServerContext*) override {
    return new Stream<Request, Response>(source_);
  }

 private:
  const ReflectionSource source_;
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> NewReflectionServices(const ReflectionSource& source) {
  namespace v1 = grpc::reflection::v1;
  namespace v1alpha = grpc::reflection::v1alpha;
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(
      std::make_unique<
          ReflectionService<v1::ServerReflection, v1::ServerReflectionRequest, v1::ServerReflectionResponse>>(source));
  services.push_back(std::make_unique<ReflectionService<v1alpha::ServerReflection, v1alpha::ServerReflectionRequest,
                                                        v1alpha::ServerReflectionResponse>>(source));
  return services;
}

}  // namespace unwind
