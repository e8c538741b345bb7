// The scenes of the demo. Each plays one story against the running cluster, prints its saga, and says whether it ended
// as it must.
#ifndef UNWIND_TESTS_E2E_SCENES_H_
#define UNWIND_TESTS_E2E_SCENES_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "tests/support/flash_sale.h"
#include "tests/support/shop.h"

namespace unwind {

class Stage {
 public:
  explicit Stage(Shop& shop) : shop_(shop) {}

  // Every scene, in order; a scene that fails does not keep the next from being played.
  void PlayAll();
  // `which` stands in the heading.
  void FlashSale(const std::string& which);

  // One scene. It prints what `story` says of it, and is as it must be if `scene` is OK.
  void Play(absl::string_view title, absl::string_view story, const std::function<absl::Status()>& scene);
  // Prints the saga once it has ended.
  absl::Status Show(const std::string& saga_id);
  absl::Status ExpectOrder(const std::string& order_id, shop::order::v1::Order::State state);

  bool ok() const { return ok_; }
  // An array, one object a scene.
  const nlohmann::json& json() const { return json_; }

 private:
  using Scene = absl::Status (Stage::*)();

  void Play(absl::string_view title, absl::string_view story, Scene scene);
  absl::Status Succeeds();
  absl::Status IsCancelledByItsBuyer();
  absl::Status CardIsDeclined();
  absl::Status GatewayNeverAnswers();
  absl::Status StockIsKilled();
  absl::Status OrchestratorIsKilled();
  absl::Status SellsOut();
  absl::Status SellsOutThoughPaymentsFail();

  absl::Status SellsOut(const std::string& product, bool come_back);
  absl::Status ExpectStock(std::int64_t available, std::int64_t sold);
  absl::Status ExpectMoney(const std::string& order_id, std::size_t captures, std::size_t refunds);

  Shop& shop_;
  bool ok_ = true;
  int sales_ = 0;
  nlohmann::json json_ = nlohmann::json::array();
};

}  // namespace unwind

#endif  // UNWIND_TESTS_E2E_SCENES_H_
