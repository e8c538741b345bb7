#include <memory>
#include <string>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"
#include "common/observe/tracer.h"
#include "common/rpc/credentials.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"
#include "tests/support/span_collector.h"
#include "tests/support/temp_dir.h"

ABSL_DECLARE_FLAG(std::string, otlp_endpoint);
ABSL_DECLARE_FLAG(std::string, tls_cert);
ABSL_DECLARE_FLAG(std::string, tls_key);
ABSL_DECLARE_FLAG(std::string, tls_ca);

namespace unwind {
namespace {

using testing::HasSubstr;

class TracingFlagsTest : public testing::Test {
 protected:
  std::unique_ptr<Transport> StartTransport() {
    const Certificate own = root_.Issue(Service("orchestrator"));
    WriteFile(dir_.File("cert"), own.chain);
    WriteFile(dir_.File("key"), own.key);
    WriteFile(dir_.File("ca"), root_.pem());
    absl::SetFlag(&FLAGS_tls_cert, dir_.File("cert"));
    absl::SetFlag(&FLAGS_tls_key, dir_.File("key"));
    absl::SetFlag(&FLAGS_tls_ca, dir_.File("ca"));
    auto transport = Transport::Start();
    EXPECT_TRUE(transport.ok()) << transport.status();
    return transport.ok() ? *std::move(transport) : nullptr;
  }

  // As collectors do: it shows a certificate and asks for none.
  static std::shared_ptr<grpc::ServerCredentials> CredentialsBy(const TestAuthority& authority) {
    const Certificate shown = authority.Issue(Service("collector"));
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back({shown.key, shown.chain});
    return grpc::SslServerCredentials(options);
  }

  // How many spans of one that is made come to `collector`, which the flag names by `scheme`.
  static std::size_t Collected(SpanCollector& collector, const std::string& scheme) {
    absl::SetFlag(&FLAGS_otlp_endpoint, absl::StrCat(scheme, collector.target()));
    {
      const auto tracing = TraceAsFlagsSay("orchestrator");
      EXPECT_TRUE(tracing.ok()) << tracing.status();
      if (!tracing.ok() || ProcessTracer() == nullptr) return 0;
      Span span;
      span.name = "one";
      ProcessTracer()->Export(span);
    }
    return collector.All().size();
  }

  const absl::FlagSaver flags_;
  const TempDir dir_;
  const TestAuthority root_{"Root"}, stranger_{"Stranger"};
};

TEST_F(TracingFlagsTest, WithoutAnEndpointThereIsNoTracer) {
  const auto tracing = TraceAsFlagsSay("orchestrator");
  ASSERT_TRUE(tracing.ok()) << tracing.status();
  EXPECT_EQ(*tracing, nullptr);
}

TEST_F(TracingFlagsTest, HttpsIsTlsWithTheProcesssAuthority) {
  const auto transport = StartTransport();
  SpanCollector known(CredentialsBy(root_)), unknown(CredentialsBy(stranger_)), plaintext;
  EXPECT_EQ(Collected(known, "https://"), 1u);
  EXPECT_EQ(Collected(unknown, "https://"), 0u);
  EXPECT_EQ(Collected(plaintext, "https://"), 0u);
}

TEST_F(TracingFlagsTest, HttpIsPlaintextWhateverTheProcessSpeaks) {
  const auto transport = StartTransport();
  SpanCollector plaintext;
  EXPECT_EQ(Collected(plaintext, "http://"), 1u);
}

TEST_F(TracingFlagsTest, HttpsNeedsACertificate) {
  absl::SetFlag(&FLAGS_otlp_endpoint, "https://127.0.0.1:4317");
  const auto tracing = TraceAsFlagsSay("orchestrator");
  EXPECT_EQ(tracing.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(tracing.status().message()),
              HasSubstr("--otlp_endpoint=https://127.0.0.1:4317 needs --tls_cert, --tls_key and --tls_ca"));
}

}  // namespace
}  // namespace unwind
