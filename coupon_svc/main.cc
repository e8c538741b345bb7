// coupon_svc: campaigns, coupons and what became of them.
#include "common/participant/service_main.h"
#include "coupon_svc/coupon_domain.h"
#include "coupon_svc/coupon_service.h"

extern const unwind::Migrations kCouponMigrations;  // embedded by the build

namespace unwind::coupon {
namespace {

absl::StatusOr<std::unique_ptr<Serving>> Start(const OpenDatabases& open, const Clock& clock) {
  return ServeParticipant(NewCouponDomain(clock), CouponTable(), open, clock);
}

}  // namespace
}  // namespace unwind::coupon

int main(int argc, char** argv) {
  return unwind::ServiceMain(argc, argv,
                             {.name = "coupon_svc",
                              .usage = "campaigns, the coupons issued from them, and the orders that use them.",
                              .component = "coupon",
                              .migrations = kCouponMigrations,
                              .start = unwind::coupon::Start});
}
