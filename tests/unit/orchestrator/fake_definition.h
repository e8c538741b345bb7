// A definition of one step, without a file.
#ifndef UNWIND_TESTS_UNIT_ORCHESTRATOR_FAKE_DEFINITION_H_
#define UNWIND_TESTS_UNIT_ORCHESTRATOR_FAKE_DEFINITION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/error.h"
#include "orchestrator/definition/definition.h"
#include "shop/checkout/v1/checkout_service.pb.h"

namespace unwind {

// Serves shop.checkout.v1.CheckoutService/PlaceOrder; its key is request_id.
class FakeDefinition : public Definition {
 public:
  explicit FakeDefinition(bool key_required = true) : key_required_(key_required) {
    plan_.name = "place-order";
    plan_.version = 3;
    plan_.steps.resize(1);
    plan_.steps[0].name = "create_order";
    methods_.action = "/shop.order.v1.OrderService/CreateOrder";
    methods_.compensation = "/shop.order.v1.OrderService/RejectOrder";
  }

  const Plan& plan() const override { return plan_; }
  const google::protobuf::MethodDescriptor* serves() const override {
    return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
        "shop.checkout.v1.CheckoutService.PlaceOrder");
  }
  const google::protobuf::Descriptor* reply(int) const override {
    return google::protobuf::DescriptorPool::generated_pool()
        ->FindMethodByName("shop.order.v1.OrderService.CreateOrder")
        ->output_type();
  }
  const StepMethods& methods(int) const override { return methods_; }
  bool key_required() const override { return key_required_; }
  std::string key_field() const override { return key_field_; }
  std::unique_ptr<google::protobuf::Message> NewInput() const override {
    return std::make_unique<shop::checkout::v1::PlaceOrderRequest>();
  }
  std::string Key(const google::protobuf::Message& input) const override {
    return static_cast<const shop::checkout::v1::PlaceOrderRequest&>(input).request_id();
  }
  absl::StatusOr<std::string> Request(const Saga&, int, Phase) const override { return absl::UnimplementedError(""); }
  bool ReplyParses(int, Phase, const std::string& bytes) const override { return bytes != "not a reply"; }
  absl::StatusOr<std::string> Response(const Saga& saga) const override {
    shop::checkout::v1::PlaceOrderResponse response;
    response.set_order_id(saga.id);
    return response.SerializeAsString();
  }
  absl::StatusOr<std::string> EarlyResponse(const Saga&) const override { return std::string("for now"); }
  absl::Status Error(const Saga& saga) const override {
    return MakeError(absl::StatusCode::kAborted, "no stock", {saga.failure.reason, "stock.shop.unwind", {}});
  }
  const std::string& yaml() const override { return text_; }
  const std::string& descriptors() const override { return text_; }
  const std::string& hash() const override { return text_; }

  Plan plan_;
  StepMethods methods_;
  std::string key_field_ = "request_id";
  std::string text_ = "?";

 private:
  const bool key_required_;
};

}  // namespace unwind

#endif  // UNWIND_TESTS_UNIT_ORCHESTRATOR_FAKE_DEFINITION_H_
