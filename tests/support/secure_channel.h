// A client of TLS ports that is none of the product's: gRPC's older credentials, with certificates of the test's.
#ifndef UNWIND_TESTS_SUPPORT_SECURE_CHANNEL_H_
#define UNWIND_TESTS_SUPPORT_SECURE_CHANNEL_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "tests/support/certificates.h"

namespace unwind {

// Trusts `authorities` (PEM) and shows `certificate`; null: none. Channels of different `index` use different
// connections.
std::shared_ptr<grpc::Channel> NewSecureChannel(const std::string& address, const std::string& authorities,
                                                const Certificate* certificate, int index = 0);

}  // namespace unwind

#endif  // UNWIND_TESTS_SUPPORT_SECURE_CHANNEL_H_
