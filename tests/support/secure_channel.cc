#include "tests/support/secure_channel.h"

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace unwind {

std::shared_ptr<grpc::Channel> NewSecureChannel(const std::string& address, const std::string& authorities,
                                                const Certificate* certificate, int index) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = authorities;
  if (certificate != nullptr) {
    options.pem_private_key = certificate->key;
    options.pem_cert_chain = certificate->chain;
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt("unwind.channel_index", index);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20000);  // gRPC takes this one as the connect timeout
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
}

}  // namespace unwind
