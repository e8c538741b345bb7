#include "tests/fuzz/walk.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/message.h"
#include "orchestrator/core/advance.h"
#include "orchestrator/engine/saga_call.h"

namespace unwind {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

constexpr int kEventsMax = 20'000;
constexpr int kDepthMax = 4;
constexpr int kRefusedPercent = 10, kUnknownPercent = 10, kPendingPercent = 15;

void FillScalar(Message& message, const FieldDescriptor& field, Draws& draws) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const auto number = static_cast<int>(draws.Below(1000));
  const auto put = [&](auto set, auto add, auto value) {
    field.is_repeated() ? (reflection.*add)(&message, &field, value) : (reflection.*set)(&message, &field, value);
  };
  using R = google::protobuf::Reflection;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return put(&R::SetInt32, &R::AddInt32, number);
    case FieldDescriptor::CPPTYPE_INT64:
      return put(&R::SetInt64, &R::AddInt64, std::int64_t{number});
    case FieldDescriptor::CPPTYPE_UINT32:
      return put(&R::SetUInt32, &R::AddUInt32, static_cast<std::uint32_t>(number));
    case FieldDescriptor::CPPTYPE_UINT64:
      return put(&R::SetUInt64, &R::AddUInt64, static_cast<std::uint64_t>(number));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return put(&R::SetDouble, &R::AddDouble, double(number));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return put(&R::SetFloat, &R::AddFloat, static_cast<float>(number));
    case FieldDescriptor::CPPTYPE_BOOL:
      return put(&R::SetBool, &R::AddBool, number % 2 == 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return put(&R::SetEnumValue, &R::AddEnumValue, field.enum_type()->value(0)->number());
    case FieldDescriptor::CPPTYPE_STRING: {
      const std::string text(draws.Below(20), 'x');
      return field.is_repeated() ? reflection.AddString(&message, &field, text)
                                 : reflection.SetString(&message, &field, text);
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

void Fill(Message& message, Draws& draws, int depth) {
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!field.is_required() && draws.Chance(30)) continue;
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      FillScalar(message, field, draws);
    } else if (depth < kDepthMax) {
      const google::protobuf::Reflection& reflection = *message.GetReflection();
      Fill(*(field.is_repeated() ? reflection.AddMessage(&message, &field)
                                 : reflection.MutableMessage(&message, &field)),
           draws, depth + 1);
    }
  }
}

const google::protobuf::DescriptorPool* PoolOf(const Definition& definition) {
  if (definition.serves() != nullptr) return definition.serves()->file()->pool();
  return definition.follows()->type->file()->pool();
}

class Walker {
 public:
  Walker(const Definition& definition, Draws& draws)
      : definition_(definition), draws_(draws), factory_(PoolOf(definition)) {
    factory_.SetDelegateToGeneratedFactory(false);
  }

  std::string Run() {
    const std::unique_ptr<Message> input = definition_.NewInput();
    Fill(*input, draws_, 0);
    Saga saga;
    saga.id = "0190-saga";
    saga.key = definition_.Key(*input);
    saga.input = input->SerializePartialAsString();
    saga.definition = definition_.plan().name;
    saga.definition_version = definition_.plan().version;
    saga.steps.resize(definition_.plan().steps.size());
    now_ = absl::FromUnixSeconds(1'767'225'600);
    std::vector<Event> events = {Started{}};
    for (int n = 0; n < kEventsMax && !IsTerminal(saga.state); ++n) {
      if (events.empty()) events.push_back(Wait(saga));
      const Event event = std::move(events.back());
      events.pop_back();
      Decision decision = Advance(definition_.plan(), saga, event, {.now = now_, .jitter = 0.5});
      saga = std::move(decision.next);
      for (const Send& send : decision.sends) {
        if (const std::string wrong = Answer(saga, send, events); !wrong.empty()) return wrong;
      }
    }
    if (!IsTerminal(saga.state)) return "the saga does not end";
    return CheckAnswer(saga);
  }

 private:
  // Nothing is out: time passes, or a person moves what is parked.
  Event Wait(const Saga& saga) {
    const absl::Time next = NextRunAt(definition_.plan(), saga);
    if (next < absl::InfiniteFuture()) {
      now_ = std::max(now_, next);
      return Ticked{};
    }
    for (std::size_t i = 0; i < saga.steps.size(); ++i) {
      if (saga.steps[i].parked) return Operated{Verb::kSkip, static_cast<int>(i), "", "fuzz", "on"};
    }
    return TakenOver{};
  }

  std::string Answer(const Saga& saga, const Send& send, std::vector<Event>& events) {
    const absl::StatusOr<Call> call = MakeCall(definition_, saga, send, now_);
    if (!call.ok()) return absl::StrCat("a call cannot be made: ", call.status().ToString());
    const MethodDescriptor* const method = MethodOf(call->method);
    if (method == nullptr) return absl::StrCat("there is no method ", call->method);
    if (!Parses(*method->input_type(), call->request))
      return absl::StrCat("what ", call->method, " is sent is no request");
    CallResult result;
    if (draws_.Chance(kRefusedPercent)) {
      const bool resolves = send.phase == Phase::kResolve;
      result.failure = {.reason = resolves ? "NEVER_HAPPENED" : "NO",
                        .domain = "fuzz",
                        .code = 9,  // FAILED_PRECONDITION
                        .message = "no",
                        .step = "",
                        .metadata = {}};
      result.effect_free = !resolves && draws_.Chance(50);
    } else if (draws_.Chance(kUnknownPercent)) {
      result.failure.code = 14;  // UNAVAILABLE
    } else {
      const std::unique_ptr<Message> reply(factory_.GetPrototype(method->output_type())->New());
      Fill(*reply, draws_, 0);
      result.reply = reply->SerializePartialAsString();
      if (!definition_.ReplyParses(send.step, send.phase, result.reply))
        return "an answer of the right type is refused";
      result.pending = draws_.Chance(kPendingPercent);  // also where nobody asked for it
      if (draws_.Chance(50)) result.retry_after = absl::Seconds(3);
    }
    events.emplace_back(ReadReply(definition_, send, std::move(result), absl::Milliseconds(1)));
    return "";
  }

  std::string CheckAnswer(const Saga& saga) {
    if (saga.state == SagaState::kAborted) {
      return definition_.Error(saga).ok() ? "an undone saga has no error" : "";
    }
    const absl::StatusOr<std::string> response = definition_.Response(saga);
    if (!response.ok()) return absl::StrCat("there is no response: ", response.status().ToString());
    if (definition_.serves() == nullptr) return response->empty() ? "" : "a follower answers";
    return Parses(*definition_.serves()->output_type(), *response) ? "" : "the response is not one";
  }

  const MethodDescriptor* MethodOf(const std::string& path) const {
    return PoolOf(definition_)->FindMethodByName(absl::StrReplaceAll(absl::StripPrefix(path, "/"), {{"/", "."}}));
  }

  bool Parses(const Descriptor& type, const std::string& bytes) {
    const std::unique_ptr<Message> message(factory_.GetPrototype(&type)->New());
    return message->ParseFromString(bytes);
  }

  const Definition& definition_;
  Draws& draws_;
  google::protobuf::DynamicMessageFactory factory_;
  absl::Time now_;
};

}  // namespace

std::string Walk(const Definition& definition, Draws& draws) { return Walker(definition, draws).Run(); }

}  // namespace unwind
