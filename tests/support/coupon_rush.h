// Many members want a coupon of one campaign at the same moment.
#ifndef UNWIND_TESTS_SUPPORT_COUPON_RUSH_H_
#define UNWIND_TESTS_SUPPORT_COUPON_RUSH_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/support/cluster.h"

namespace unwind {

struct CouponRushOptions {
  std::string campaign;
  std::string member_prefix;  // members are <prefix>0, <prefix>1, ...
  int members = 1000;
  int channels = 4;  // the callers share so many connections
  absl::Duration patience = absl::Seconds(60);
};

struct CouponRushResult {
  std::map<std::string, std::string> coupons;  // by the member that got it
  std::map<std::string, int> refusals;         // by reason
  absl::Duration whole;                        // from the first call to the last answer
};

// Who is told to come again comes again, with the same key. DEADLINE_EXCEEDED if somebody has no answer in time.
absl::StatusOr<CouponRushResult> RunCouponRush(Cluster& cluster, const CouponRushOptions& options);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_COUPON_RUSH_H_
