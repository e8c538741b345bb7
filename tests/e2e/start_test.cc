// What keeps a process from starting: one clear sentence (or, of definitions, every error) and exit 1.
#include <arpa/inet.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "gtest/gtest.h"
#include "tests/support/books.h"
#include "tests/support/certificates.h"
#include "tests/support/cluster.h"
#include "tests/support/poll.h"
#include "tests/support/postgres.h"
#include "tests/support/process.h"

namespace unwind {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr absl::Duration kEndPatience = absl::Seconds(30);

class Start : public testing::TestWithParam<Node> {
 protected:
  void SetUp() override {
    std::string path = "/tmp/unwind-start-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    scratch_ = path;
  }

  void TearDown() override { std::filesystem::remove_all(scratch_); }

  // What the program says before it exits, which must be with 1.
  std::string Fails(Node node, std::vector<std::string> flags) {
    std::vector<std::string> arguments = {absl::StrCat(UNWIND_BIN_DIR, "/", NodeName(node))};
    if (node == Node::kPayment) arguments.push_back("--pg_address=127.0.0.1:1");
    if (node == Node::kOrchestrator) {
      arguments.push_back("--definitions=orchestrator/sagas");
      arguments.push_back(
          "--participants=shop.order.v1.OrderService=127.0.0.1:1,shop.stock.v1.StockService=127.0.0.1:1,"
          "shop.payment.v1.PaymentService=127.0.0.1:1,shop.coupon.v1.CouponService=127.0.0.1:1,"
          "shop.wallet.v1.WalletService=127.0.0.1:1,shop.order.v1.CartService=127.0.0.1:1,"
          "shop.order.v1.NotificationService=127.0.0.1:1");
    }
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const std::string log = absl::StrCat(scratch_, "/log");
    std::filesystem::remove(log);
    const absl::StatusOr<int> status = RunToEnd(arguments, log, kEndPatience);
    EXPECT_TRUE(status.ok()) << status.status();
    EXPECT_EQ(status.value_or(-1), 1) << ContentsOf(log);
    return ContentsOf(log);
  }

  std::string Database() const { return absl::StrCat("--db=", scratch_, "/a.db"); }

  std::string scratch_;
};

// Of what is said to a person: the log's lines are JSON.
int Lines(const std::string& text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  return static_cast<int>(
      std::count_if(lines.begin(), lines.end(), [](const std::string& line) { return line[0] != '{'; }));
}

TEST_P(Start, VersionSaysTheProgramItsVersionAndItsRevision) {
  const std::string log = absl::StrCat(scratch_, "/log");
  const absl::StatusOr<int> status =
      RunToEnd({absl::StrCat(UNWIND_BIN_DIR, "/", NodeName(GetParam())), "--version"}, log, kEndPatience);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 0);
  EXPECT_THAT(ContentsOf(log), testing::MatchesRegex(absl::StrCat(
                                   NodeName(GetParam()), " [0-9]+\\.[0-9]+\\.[0-9]+ \\(([0-9a-f]+|unknown)\\)\n")));
}

TEST_P(Start, APortInUseIsOneSentence) {
  const int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;  // as gRPC itself would, so that only its refusal to share the port is what fails
  ASSERT_EQ(setsockopt(socket_fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(socket_fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(socket_fd, 1), 0);
  ASSERT_EQ(getsockname(socket_fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string taken = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  const std::string said = Fails(GetParam(), {Database(), absl::StrCat("--listen=", taken)});
  close(socket_fd);
  EXPECT_THAT(said, AllOf(HasSubstr(taken), HasSubstr("--listen")));
  EXPECT_EQ(Lines(said), 1) << said;
}

TEST_P(Start, APortThatIsNoneIsOneSentence) {
  const std::string said = Fails(GetParam(), {Database(), "--listen=127.0.0.1:99999"});
  EXPECT_THAT(said, AllOf(HasSubstr("127.0.0.1:99999"), HasSubstr("--listen")));
  EXPECT_EQ(Lines(said), 1) << said;
}

TEST_P(Start, AFolderThatCannotBeWrittenIsOneSentence) {
  const std::string said = Fails(GetParam(), {"--db=/proc/unwind/a.db"});
  EXPECT_THAT(said, HasSubstr("/proc/unwind"));
  EXPECT_EQ(Lines(said), 1) << said;
  std::ofstream(absl::StrCat(scratch_, "/file")) << "not a folder";
  const std::string said_again = Fails(GetParam(), {absl::StrCat("--db=", scratch_, "/file/a.db")});
  EXPECT_THAT(said_again, HasSubstr("/file"));
  EXPECT_EQ(Lines(said_again), 1) << said_again;
}

TEST_P(Start, AFileThatIsNoDatabaseIsOneSentence) {
  std::ofstream(absl::StrCat(scratch_, "/a.db")) << std::string(4096, 'x');
  const std::string said = Fails(GetParam(), {Database()});
  EXPECT_THAT(said, HasSubstr("a.db"));
  EXPECT_EQ(Lines(said), 1) << said;
}

TEST_P(Start, ADatabaseOfANewerVersionIsOneSentence) {
  const std::string path = absl::StrCat(scratch_, "/a.db");
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  const char* newer =
      "CREATE TABLE schema_version (component TEXT NOT NULL, version BIGINT NOT NULL,"
      " PRIMARY KEY (component, version));"
      "INSERT INTO schema_version SELECT value, 999 FROM "
      "json_each('[\"order\",\"stock\",\"payment\",\"coupon\",\"wallet\",\"orchestrator\",\"mock_pg\"]')";
  ASSERT_EQ(sqlite3_exec(db, newer, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
  const std::string said = Fails(GetParam(), {Database()});
  EXPECT_THAT(said, AllOf(HasSubstr("version 999"), HasSubstr("newer")));
  EXPECT_EQ(Lines(said), 1) << said;
}

TEST_P(Start, AFlagWithABadValueIsOneSentenceThatSaysWhatItMayBe) {
  for (const auto& [flag, finding] : std::vector<std::pair<std::string, std::string>>{
           {"--db_wait=-1s", "must be 0 to 24h"},
           {"--drain=5", "must be 0 to 1h"},
           {"--log_level=loud", "must be debug, info, warning, error or none"},
           {"--connections_max=many", "must be 1 to 1000000"},
           {"--metrics_listen=9090", "has no port; write HOST:PORT"}}) {
    const std::string said = Fails(GetParam(), {Database(), flag});
    EXPECT_THAT(said, testing::StartsWith(absl::StrCat(flag, ": ", finding)));
    EXPECT_EQ(Lines(said), 1) << said;
  }
  EXPECT_FALSE(std::filesystem::exists(absl::StrCat(scratch_, "/a.db")));
}

TEST_P(Start, PlaintextThatOthersReachIsOneSentence) {
  const std::string said = Fails(GetParam(), {Database(), "--listen=0.0.0.0:0"});
  EXPECT_THAT(said, AllOf(HasSubstr("--listen=0.0.0.0:0 would serve plaintext to other machines"),
                          HasSubstr("--tls_cert"), HasSubstr("--insecure")));
  EXPECT_EQ(Lines(said), 1) << said;
}

// The two programs that call others.
class StartOfACaller : public Start {};

TEST_P(StartOfACaller, PlaintextToOthersIsOneSentence) {
  const std::string flag = GetParam() == Node::kPayment
                               ? "--pg_address=10.0.0.1:1"
                               : "--participants=shop.order.v1.OrderService=h:1,shop.stock.v1.StockService=h:1,"
                                 "shop.payment.v1.PaymentService=h:1,shop.coupon.v1.CouponService=h:1,"
                                 "shop.wallet.v1.WalletService=h:1,shop.order.v1.CartService=h:1,"
                                 "shop.order.v1.NotificationService=h:1";
  const std::string said = Fails(GetParam(), {Database(), flag});
  EXPECT_THAT(said, AllOf(HasSubstr("would cross the network in plaintext"), HasSubstr("--insecure")));
  EXPECT_EQ(Lines(said), 1) << said;
}

TEST_P(Start, EveryTlsFileThatIsNoGoodHasALine) {
  const std::string nowhere = absl::StrCat(scratch_, "/nowhere");
  const std::string missing =
      Fails(GetParam(), {Database(), absl::StrCat("--tls_cert=", nowhere), absl::StrCat("--tls_key=", nowhere),
                         absl::StrCat("--tls_ca=", nowhere), absl::StrCat("--tls_crl=", nowhere)});
  for (const char* const flag : {"--tls_cert=", "--tls_key=", "--tls_ca=", "--tls_crl="}) {
    EXPECT_THAT(missing, HasSubstr(absl::StrCat(flag, nowhere, ": cannot be read: No such file or directory")));
  }
  EXPECT_EQ(Lines(missing), 4) << missing;
  EXPECT_THAT(Fails(GetParam(), {Database(), absl::StrCat("--tls_cert=", nowhere)}),
              AllOf(HasSubstr("--tls_key: is not given"), HasSubstr("--tls_ca: is not given")));
  const TestAuthority authority("CA");
  const std::string cert = absl::StrCat(scratch_, "/cert"), key = absl::StrCat(scratch_, "/key");
  WriteFile(cert, authority.Issue(Service("a")).chain);
  WriteFile(key, authority.Issue(Service("a")).key);
  const std::string mismatched = Fails(GetParam(), {Database(), absl::StrCat("--tls_cert=", cert),
                                                    absl::StrCat("--tls_key=", key), absl::StrCat("--tls_ca=", key)});
  EXPECT_THAT(mismatched,
              HasSubstr(absl::StrCat("--tls_key=", key, ": is not the key of the certificate in --tls_cert=", cert)));
  EXPECT_THAT(mismatched, HasSubstr(absl::StrCat("--tls_ca=", key, ": holds no certificate")));
  EXPECT_EQ(Lines(mismatched), 2) << mismatched;
}

TEST_P(Start, HelpNamesTheProgramOnce) {
  const std::string program = NodeName(GetParam());
  const std::string help = Fails(GetParam(), {"--help"});
  EXPECT_EQ(Fails(GetParam(), {"-h"}), help);
  EXPECT_THAT(help, AllOf(HasSubstr(absl::StrCat(program, ": ")), HasSubstr("--db_wait (How long a start waits")));
  const std::vector<std::string> lines = absl::StrSplit(help, '\n');
  const auto named = [&](const std::string& line) { return absl::StartsWith(line, absl::StrCat(program, ": ")); };
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), named), 1) << help;
  EXPECT_THAT(help, testing::Not(HasSubstr(absl::StrCat(program, ": ", program)))) << help;
}

TEST_P(Start, AnUnknownFlagIsRefused) {
  EXPECT_THAT(Fails(GetParam(), {"--no_such_flag=1"}), HasSubstr("no_such_flag"));
}

TEST_P(Start, APostgresThatCannotBeUsedIsOneSentenceThatNamesTheSetting) {
  std::string said = Fails(GetParam(), {"--db=postgres:hots=db1"});
  EXPECT_THAT(said, HasSubstr("--db: there is no setting hots="));
  EXPECT_EQ(Lines(said), 1) << said;
  said = Fails(GetParam(), {"--db=postgres:host=127.0.0.1 port=1 user=me dbname=shop", "--db_wait=0s"});
  EXPECT_THAT(said, AllOf(HasSubstr("database shop at 127.0.0.1:1 as me"), HasSubstr("check host= and port=")));
  EXPECT_EQ(Lines(said), 1) << said;
  const std::string there = NewTestDatabase();
  said = Fails(GetParam(), {absl::StrCat("--db=", there, "_not")});
  EXPECT_THAT(said, AllOf(HasSubstr("check user="), HasSubstr("does not exist")));
  EXPECT_EQ(Lines(said), 1) << said;
}

TEST_P(Start, MigrateOnlyMakesTheSchema) {
  for (const std::string& database : {NewTestDatabase(), absl::StrCat(scratch_, "/a.db")}) {
    for (int i = 0; i < 2; ++i) {
      const std::string log = absl::StrCat(scratch_, "/log");
      const auto status = RunToEnd(
          {absl::StrCat(UNWIND_BIN_DIR, "/", NodeName(GetParam())), "migrate", absl::StrCat("--db=", database)}, log,
          kEndPatience);
      ASSERT_TRUE(status.ok()) << status.status();
      EXPECT_EQ(*status, 0) << ContentsOf(log);
    }
    const auto books = Books::Open({{"db", database}});
    ASSERT_TRUE(books.ok()) << books.status();
    EXPECT_GE((*books)->Number("SELECT count(*) FROM db.schema_version").value(), 1);
  }
  EXPECT_THAT(Fails(GetParam(), {Database(), "emigrate"}), HasSubstr("emigrate"));
}

TEST(Ready, TheLogSaysWhereTheRowsAre) {
  ClusterOptions options;
  options.bin_dir = UNWIND_BIN_DIR;
  const auto cluster = Cluster::Start(options);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  for (const Node node : kNodes) {
    const std::string said = absl::StrCat("\"store\":\"sqlite ", (*cluster)->Database(node), "\"");
    EXPECT_TRUE(Eventually(kEndPatience, [&] {
      return absl::StrContains(ContentsOf((*cluster)->LogPath(node)), said);
    })) << ContentsOf((*cluster)->LogPath(node));
  }
}

// Whether reflection shows comments in the file of `service`.
bool HasComments(const std::shared_ptr<grpc::Channel>& channel, const std::string& service) {
  using grpc::reflection::v1::ServerReflection;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kEndPatience));
  const auto stub = ServerReflection::NewStub(channel);
  const auto stream = stub->ServerReflectionInfo(&context);
  grpc::reflection::v1::ServerReflectionRequest request;
  request.set_file_containing_symbol(service);
  grpc::reflection::v1::ServerReflectionResponse response;
  EXPECT_TRUE(stream->Write(request) && stream->Read(&response));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  google::protobuf::FileDescriptorProto file;
  EXPECT_TRUE(file.ParseFromString(response.file_descriptor_response().file_descriptor_proto(0)));
  const auto& places = file.source_code_info().location();
  return std::any_of(places.begin(), places.end(), [](const auto& place) { return place.has_leading_comments(); });
}

TEST(Ready, ReflectionShowsTheCommentsOfWhatEachProgramServes) {
  ClusterOptions options;
  options.bin_dir = UNWIND_BIN_DIR;
  const auto cluster = Cluster::Start(options);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_TRUE(HasComments((*cluster)->Channel(Node::kOrchestrator), "shop.checkout.v1.CheckoutService"));
  EXPECT_TRUE(HasComments((*cluster)->AdminChannel(Node::kOrchestrator), "saga.v1.SagaService"));
  EXPECT_TRUE(HasComments((*cluster)->Channel(Node::kOrder), "shop.order.v1.OrderService"));
  EXPECT_TRUE(HasComments((*cluster)->Channel(Node::kStock), "shop.stock.v1.StockService"));
  EXPECT_TRUE(HasComments((*cluster)->Channel(Node::kPayment), "shop.payment.v1.PaymentService"));
  EXPECT_TRUE(HasComments((*cluster)->Channel(Node::kCoupon), "shop.coupon.v1.CouponService"));
  EXPECT_TRUE(HasComments((*cluster)->Channel(Node::kWallet), "shop.wallet.v1.WalletService"));
  EXPECT_TRUE(HasComments((*cluster)->Channel(Node::kGateway), "pg.v1.PaymentGateway"));
}

TEST(Instance, ASecondProcessUnderOneNameIsRefusedAndTheFirstGoesOn) {
  ClusterOptions options;
  options.bin_dir = UNWIND_BIN_DIR;
  const auto cluster = Cluster::Start(options);
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  const std::string log = absl::StrCat((*cluster)->scratch(), "/twin.log");
  const auto status =
      RunToEnd({absl::StrCat(UNWIND_BIN_DIR, "/orchestrator"), "--definitions=orchestrator/sagas",
                absl::StrCat("--db=", (*cluster)->Database(Node::kOrchestrator)),
                "--participants=shop.order.v1.OrderService=127.0.0.1:1,shop.stock.v1.StockService=127.0.0.1:1,"
                "shop.payment.v1.PaymentService=127.0.0.1:1,shop.coupon.v1.CouponService=127.0.0.1:1,"
                "shop.wallet.v1.WalletService=127.0.0.1:1,shop.order.v1.CartService=127.0.0.1:1,"
                "shop.order.v1.NotificationService=127.0.0.1:1"},
               log, kEndPatience);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, 1);
  EXPECT_THAT(ContentsOf(log), HasSubstr(absl::StrCat("process ", (*cluster)->Pid(Node::kOrchestrator),
                                                      " of this machine runs under this name")));
  EXPECT_TRUE((*cluster)->Running(Node::kOrchestrator));
  EXPECT_TRUE(WaitUntilHealthy((*cluster)->Channel(Node::kOrchestrator), kEndPatience).ok());
  (*cluster)->Kill(Node::kOrchestrator);
  EXPECT_TRUE((*cluster)->Restart(Node::kOrchestrator).ok());
}

INSTANTIATE_TEST_SUITE_P(All, Start, testing::ValuesIn(kNodes),
                         [](const testing::TestParamInfo<Node>& param) { return NodeName(param.param); });

INSTANTIATE_TEST_SUITE_P(All, StartOfACaller, testing::Values(Node::kPayment, Node::kOrchestrator),
                         [](const testing::TestParamInfo<Node>& param) { return NodeName(param.param); });

using OwnFlags = Start;

TEST_F(OwnFlags, OfEachProgramAreChecked) {
  struct Case {
    Node node;
    const char* flag;
    const char* finding;
  };
  for (const Case& each : {Case{Node::kPayment, "--pg_timeout=inf", "must be 1ms to 10m"},
                           Case{Node::kPayment, "--pg_address=gateway", "\"gateway\" has no port"},
                           Case{Node::kWallet, "--earn_percent=101", "must be 0 to 100"},
                           Case{Node::kGateway, "--fail_percent=101", "must be 0 to 100"},
                           Case{Node::kGateway, "--delay_ms=-1", "must be 0 to 600000"},
                           Case{Node::kStock, "--batch_max=0", "must be 1 to 10000"},
                           Case{Node::kOrder, "--row_age_max=1m", "must be more than --request_age_max=15m"},
                           Case{Node::kOrchestrator, "--lease=2h", "must be 1s to 1h"}}) {
    const std::string said = Fails(each.node, {Database(), each.flag});
    EXPECT_THAT(said, HasSubstr(absl::StrCat(each.flag, ": ", each.finding)));
    EXPECT_EQ(Lines(said), 1) << said;
  }
}

TEST_F(OwnFlags, OfAParticipantAreNoneOfTheGateway) {
  for (const char* flag :
       {"--batch_max=1", "--queue_max=1", "--request_age_max=1s", "--row_age_max=1h", "--enable_reset"}) {
    EXPECT_THAT(Fails(Node::kGateway, {"migrate", Database(), flag}), HasSubstr("Unknown command line flag")) << flag;
  }
}

using Definitions = Start;

TEST_F(Definitions, ABrokenOneStopsTheStartWithEveryError) {
  const std::string path = absl::StrCat(scratch_, "/broken.yaml");
  std::ofstream(path) << "saga: broken\n"
                         "version: 0\n"
                         "serves: shop.checkout.v1.CheckoutService/NoSuchMethod\n"
                         "key: input.request_id\n"
                         "steps:\n"
                         "  - name: one\n"
                         "    action: shop.stock.v1.StockService/NoSuchMethod\n";
  const std::string said = Fails(Node::kOrchestrator, {Database(), absl::StrCat("--definitions=", path)});
  EXPECT_THAT(said, AllOf(HasSubstr(absl::StrCat(path, ":2:")), HasSubstr(absl::StrCat(path, ":3:")),
                          HasSubstr(absl::StrCat(path, ":7:"))));
}

TEST_F(Definitions, ABrokenDescriptorSetStopsTheStart) {
  const std::string path = absl::StrCat(scratch_, "/broken.protoset");
  std::ofstream(path) << "this is no descriptor set";
  EXPECT_THAT(Fails(Node::kOrchestrator, {Database(), absl::StrCat("--descriptors=", path)}), HasSubstr(path));
}

TEST_F(Definitions, AParticipantWithoutAnAddressStopsTheStart) {
  EXPECT_THAT(Fails(Node::kOrchestrator, {Database(), "--participants=shop.order.v1.OrderService=127.0.0.1:1"}),
              AllOf(HasSubstr("shop.stock.v1.StockService"), HasSubstr("shop.payment.v1.PaymentService")));
}

TEST_F(Definitions, CheckSaysWhatIsWrongAndExitsWithOne) {
  const std::string program = absl::StrCat(UNWIND_BIN_DIR, "/orchestrator");
  const std::string log = absl::StrCat(scratch_, "/log");
  const auto good =
      RunToEnd({program, "check", "orchestrator/sagas/place_order.yaml", "orchestrator/sagas/cancel_order.yaml"}, log,
               kEndPatience);
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(*good, 0) << ContentsOf(log);
  const std::string path = absl::StrCat(scratch_, "/broken.yaml");
  std::ofstream(path) << "saga: broken\n";
  const auto bad = RunToEnd({program, "check", path}, log, kEndPatience);
  ASSERT_TRUE(bad.ok()) << bad.status();
  EXPECT_EQ(*bad, 1);
  EXPECT_THAT(ContentsOf(log), HasSubstr("broken.yaml:1:"));
}

}  // namespace
}  // namespace unwind
