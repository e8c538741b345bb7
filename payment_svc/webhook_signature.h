// Whether a webhook comes from the gateway: `t=UNIX,v1=HEX`, see pg/v1/event.proto. Pure.
#ifndef UNWIND_PAYMENT_SVC_WEBHOOK_SIGNATURE_H_
#define UNWIND_PAYMENT_SVC_WEBHOOK_SIGNATURE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace unwind::payment {

inline constexpr char kSignatureHeader[] = "pg-signature";
inline constexpr absl::Duration kSignatureAgeMax = absl::Seconds(300);  // before and after now

// Whether `signature` is that of `body` under one of `secrets`, made at most kSignatureAgeMax from `now`. Nothing but
// the one form is taken, and how long it takes tells nothing of the secrets.
bool IsSigned(absl::string_view signature, absl::string_view body, const std::vector<std::string>& secrets,
              absl::Time now);

}  // namespace unwind::payment

#endif  // UNWIND_PAYMENT_SVC_WEBHOOK_SIGNATURE_H_
