#include "common/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/file_descriptor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/gauge.h"
#include "prometheus/registry.h"
#include "tests/support/poll.h"

ABSL_DECLARE_FLAG(std::string, metrics_listen);

namespace unwind {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kScrape[] = "GET /metrics HTTP/1.1\r\nHost: me\r\nAccept-Encoding: gzip\r\n\r\n";

std::unique_ptr<MetricsServer> Started(absl::Duration exchange_max = absl::Minutes(1),
                                       const std::string& address = "127.0.0.1:0") {
  absl::SetFlag(&FLAGS_metrics_listen, address);
  auto server = MetricsServer::Start(exchange_max);
  absl::SetFlag(&FLAGS_metrics_listen, "");
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

FileDescriptor Connected(int port) {
  FileDescriptor connection(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  return connection;
}

void Send(const FileDescriptor& connection, const std::string& bytes) {
  EXPECT_EQ(send(connection.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

// All that comes until the server ends the connection.
std::string Answer(const FileDescriptor& connection) {
  std::string answer;
  char part[4096];
  for (ssize_t got; (got = recv(connection.get(), part, sizeof(part), 0)) > 0;)
    answer.append(part, static_cast<std::size_t>(got));
  return answer;
}

std::string Ask(int port, const std::string& request) {
  const FileDescriptor connection = Connected(port);
  Send(connection, request);
  return Answer(connection);
}

bool IsOpen(const FileDescriptor& connection) {
  char byte;
  return recv(connection.get(), &byte, 1, MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

// Whether the server ends it, within the patience.
bool IsEnded(const FileDescriptor& connection) {
  return Eventually(kPatience, [&connection] { return !IsOpen(connection); });
}

std::size_t Threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

TEST(MetricsServerTest, IsNotThereUnlessAskedFor) {
  const auto server = MetricsServer::Start();
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(*server, nullptr);
}

TEST(MetricsServerTest, AnswersAScrapeWithAllThatIsMeasured) {
  const auto server = Started();
  const auto registry = std::make_shared<prometheus::Registry>();
  prometheus::BuildGauge().Name("pens").Register(*registry).Add({}).Set(7);
  server->Add(registry);
  EXPECT_THAT(Ask(server->port(), kScrape),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("Content-Type: text/plain; version=0.0.4"),
                    HasSubstr("\nprocess_resident_memory_bytes "), HasSubstr("\npens 7\n")));
  EXPECT_THAT(Ask(server->port(), "GET /metrics?name=pens HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(MetricsServerTest, ARequestMayComeInPieces) {
  const auto server = Started();
  const FileDescriptor connection = Connected(server->port());
  for (const char byte : std::string(kScrape)) Send(connection, std::string(1, byte));
  EXPECT_THAT(Answer(connection), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(MetricsServerTest, SaysWhatIsWrongWithARequest) {
  const auto server = Started();
  EXPECT_THAT(Ask(server->port(), "GET / HTTP/1.1\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 404 "), EndsWith("\r\n\r\nonly /metrics is served\n")));
  EXPECT_THAT(Ask(server->port(), "POST /metrics HTTP/1.1\r\n\r\npens=7"),
              AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET\r\n"), EndsWith("only GET is served\n")));
  for (const char* const bad :
       {"GET /metrics\r\n\r\n", "\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n", "GET  /metrics HTTP/1.1\r\n\r\n"}) {
    EXPECT_THAT(Ask(server->port(), bad), StartsWith("HTTP/1.1 400 ")) << bad;
  }
  EXPECT_THAT(Ask(server->port(), "GET /metrics HTTP/1.1\r\nA: " + std::string(8 << 10, 'x')),
              AllOf(StartsWith("HTTP/1.1 400 "), EndsWith("the request is too long\n")));
}

TEST(MetricsServerTest, ClientsThatSayNothingHoldUpNoScrapeAndNoThread) {
  const auto server = Started();
  EXPECT_THAT(Ask(server->port(), kScrape), StartsWith("HTTP/1.1 200 OK\r\n"));
  const std::size_t threads = Threads();
  std::vector<FileDescriptor> silent;
  for (std::size_t i = 0; i < MetricsServer::kConnectionsMax / 2; ++i) {
    silent.push_back(Connected(server->port()));
    if (i % 2 == 0) Send(silent.back(), "GET /met");
  }
  for (int i = 0; i < 5; ++i) EXPECT_THAT(Ask(server->port(), kScrape), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(Threads(), threads);
  for (const FileDescriptor& each : silent) EXPECT_TRUE(IsOpen(each));
}

TEST(MetricsServerTest, ConnectionsAreBoundedAndGivenUpInTime) {
  const auto server = Started(absl::Milliseconds(200));
  std::vector<FileDescriptor> silent;
  for (std::size_t i = 0; i < 2 * MetricsServer::kConnectionsMax; ++i) silent.push_back(Connected(server->port()));
  for (const FileDescriptor& each : silent) ASSERT_TRUE(IsEnded(each));
  std::string answer;
  EXPECT_TRUE(Eventually(kPatience, [&] { return !(answer = Ask(server->port(), kScrape)).empty(); }));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(MetricsServerTest, AClientThatGoesOnTalkingIsGivenUpInTime) {
  const auto server = Started(absl::Milliseconds(200));
  const FileDescriptor connection = Connected(server->port());
  EXPECT_TRUE(Eventually(kPatience, [&] { return send(connection.get(), "x", 1, MSG_NOSIGNAL) < 0; }));
}

TEST(MetricsServerTest, StopsAtOnceAlsoWithClients) {
  auto server = Started();
  const FileDescriptor silent = Connected(server->port());
  EXPECT_THAT(Ask(server->port(), kScrape), StartsWith("HTTP/1.1 200 OK\r\n"));
  const absl::Time before = absl::Now();
  server.reset();
  EXPECT_LT(absl::Now() - before, absl::Seconds(1));
  EXPECT_TRUE(IsEnded(silent));
}

TEST(MetricsServerTest, ServesAnIpv6Address) {
  FileDescriptor connection(socket(AF_INET6, SOCK_STREAM, 0));
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  if (!connection.ok() || bind(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    GTEST_SKIP() << "this host has no IPv6";
  }
  const auto server = Started(absl::Minutes(1), "[::1]:0");
  address.sin6_port = htons(static_cast<std::uint16_t>(server->port()));
  ASSERT_EQ(connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  Send(connection, kScrape);
  EXPECT_THAT(Answer(connection), StartsWith("HTTP/1.1 200 OK\r\n"));
}

}  // namespace
}  // namespace unwind
