#include "common/tls/reload.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/certificates.h"
#include "tests/support/poll.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace unwind {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kPause = absl::Milliseconds(2);
constexpr absl::Duration kPatience = absl::Seconds(20);

class ReloadTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteFile(paths_.ca, root_.pem());
    Write(first_);
  }

  void Write(const Certificate& own) {
    WriteFile(paths_.key, own.key);
    WriteFile(paths_.cert, own.chain);
  }

  void Start() {
    auto started = TlsReload::Start(
        paths_, {.taken = [this](const TlsMaterial&) { ++taken_; }, .refused = [this] { ++refused_; }}, kPause);
    ASSERT_TRUE(started.ok()) << started.status();
    reload_ = *std::move(started);
  }

  void StopAndCapture() {
    reload_.reset();
    log_ = testing::internal::GetCapturedStderr();
  }

  std::string Identity() const { return ContentsOf(reload_->identity_path()); }
  bool Trusts(const Certificate& client) const {
    return reload_->trust()->Check(PeerRole::kClient, client.chain, client.chain, "") == nullptr;
  }
  bool TakenIs(int times) {
    return Eventually(kPatience, [&] { return taken_ >= times; }) && taken_ == times;
  }

  const TempDir dir_;
  TlsPaths paths_ = {.cert = dir_.File("cert"), .key = dir_.File("key"), .ca = dir_.File("ca"), .crl = ""};
  const TestAuthority root_{"Root"};
  const Certificate first_ = root_.Issue(Service("order_svc"));
  const Certificate second_ = root_.Issue(Service("order_svc"));
  std::atomic<int> taken_ = 0;
  std::atomic<int> refused_ = 0;
  std::unique_ptr<TlsReload> reload_;
  std::string log_;
};

TEST_F(ReloadTest, ANewPairTakesThePlaceOfTheOld) {
  Start();
  EXPECT_THAT(Identity(), HasSubstr(first_.chain));
  Write(second_);
  EXPECT_TRUE(Eventually(kPatience, [&] { return taken_ == 2; }));
  EXPECT_THAT(Identity(), AllOf(HasSubstr(second_.chain), HasSubstr(second_.key)));
  EXPECT_THAT(Identity(), testing::Not(HasSubstr(first_.chain)));
}

// A certificate whose key is still the old one.
TEST_F(ReloadTest, APairThatDoesNotMatchIsLeftAloneAndToldOnce) {
  testing::internal::CaptureStderr();
  Start();
  WriteFile(paths_.cert, second_.chain);
  EXPECT_TRUE(Eventually(kPatience, [&] { return refused_ == 1; }));
  EXPECT_THAT(Identity(), AllOf(HasSubstr(first_.chain), HasSubstr(first_.key)));
  WriteFile(paths_.key, second_.key);
  EXPECT_TRUE(TakenIs(2));
  EXPECT_THAT(Identity(), AllOf(HasSubstr(second_.chain), HasSubstr(second_.key)));
  EXPECT_EQ(refused_, 1);
  StopAndCapture();
  EXPECT_THAT(log_, HasSubstr("is not the key of the certificate in --tls_cert="));
}

TEST_F(ReloadTest, AFileThatIsGoneOrDamagedLeavesTheOldInPlace) {
  Start();
  std::filesystem::remove(paths_.ca);
  EXPECT_TRUE(Eventually(kPatience, [&] { return refused_ == 1; }));
  EXPECT_TRUE(Trusts(first_));
  WriteFile(paths_.ca, "no certificates");
  EXPECT_TRUE(Eventually(kPatience, [&] { return refused_ == 2; }));
  EXPECT_TRUE(Trusts(first_));
  EXPECT_EQ(taken_, 1);
}

TEST_F(ReloadTest, AuthoritiesAndListsAreFollowed) {
  const TestAuthority other("Other");
  const Certificate of_other = other.Issue(Service("stock_svc"));
  const Certificate revoked = root_.Issue(Service("stock_svc"));
  paths_.crl = dir_.File("crl");
  std::filesystem::create_directory(paths_.crl);
  WriteFile(paths_.crl + "/root.pem", root_.RevocationList({}));
  Start();
  EXPECT_TRUE(Trusts(revoked));
  EXPECT_FALSE(Trusts(of_other));
  WriteFile(paths_.ca, root_.pem() + other.pem());
  EXPECT_TRUE(Eventually(kPatience, [&] { return Trusts(of_other); }));
  WriteFile(paths_.crl + "/root.pem", root_.RevocationList({revoked}));
  EXPECT_TRUE(Eventually(kPatience, [&] { return !Trusts(revoked); }));
  WriteFile(paths_.crl + "/other.pem", other.RevocationList({of_other}));
  EXPECT_TRUE(Eventually(kPatience, [&] { return !Trusts(of_other); }));
  WriteFile(paths_.ca, root_.pem());
  std::filesystem::remove(paths_.crl + "/other.pem");
  EXPECT_TRUE(Eventually(kPatience, [&] { return taken_ >= 5; }));
  EXPECT_TRUE(Trusts(first_));
}

// A publisher of lists that fails must not let in whom they revoked.
TEST_F(ReloadTest, AListThatIsGoneIsMissedUnlessItsAuthorityIsToo) {
  const TestAuthority other("Other");
  const Certificate revoked = root_.Issue(Service("stock_svc"));
  paths_.crl = dir_.File("crl");
  std::filesystem::create_directory(paths_.crl);
  WriteFile(paths_.crl + "/root.pem", root_.RevocationList({revoked}));
  WriteFile(paths_.crl + "/other.pem", other.RevocationList({}));
  WriteFile(paths_.ca, root_.pem() + other.pem());
  Start();
  ASSERT_FALSE(Trusts(revoked));
  std::filesystem::remove(paths_.crl + "/root.pem");
  EXPECT_TRUE(Eventually(kPatience, [&] { return refused_ == 1; }));
  EXPECT_FALSE(Trusts(revoked));
  WriteFile(paths_.crl + "/root.pem", root_.RevocationList({revoked}));
  WriteFile(paths_.ca, root_.pem());
  EXPECT_TRUE(Eventually(kPatience, [&] { return taken_ == 2; }));
  std::filesystem::remove(paths_.crl + "/other.pem");
  EXPECT_TRUE(Eventually(kPatience, [&] { return taken_ == 3; }));
  EXPECT_FALSE(Trusts(revoked));
}

// A volume of Kubernetes: the files are links into a folder that one rename replaces.
TEST_F(ReloadTest, LinksThatAreSwungAreFollowed) {
  const auto publish = [&](const std::string& folder, const Certificate& own) {
    std::filesystem::create_directory(dir_.File(folder));
    WriteFile(dir_.File(folder) + "/cert", own.chain);
    WriteFile(dir_.File(folder) + "/key", own.key);
    std::filesystem::create_directory_symlink(folder, dir_.File("..data.new"));
    std::filesystem::rename(dir_.File("..data.new"), dir_.File("..data"));
  };
  std::filesystem::remove(paths_.cert);
  std::filesystem::remove(paths_.key);
  publish("..1", first_);
  std::filesystem::create_symlink("..data/cert", paths_.cert);
  std::filesystem::create_symlink("..data/key", paths_.key);
  Start();
  publish("..2", second_);
  EXPECT_TRUE(TakenIs(2));
  EXPECT_THAT(Identity(), HasSubstr(second_.chain));
}

TEST_F(ReloadTest, AnExpiredCertificateIsAnErrorOfTheLogOnceForEach) {
  CertificateFor whom = Service("order_svc");
  whom.ends = -absl::Seconds(1);
  Write(root_.Issue(whom));
  testing::internal::CaptureStderr();
  Start();
  Write(root_.Issue(whom));
  EXPECT_TRUE(TakenIs(2));
  Write(second_);
  EXPECT_TRUE(TakenIs(3));
  StopAndCapture();
  const std::string first = "this process's certificate has expired";
  EXPECT_NE(log_.find(first), std::string::npos);
  EXPECT_NE(log_.find(first), log_.rfind(first));
}

TEST_F(ReloadTest, FilesThatCannotBeReadAreAllNamed) {
  const TlsPaths nowhere = {.cert = "/nowhere/cert", .key = dir_.path(), .ca = "/nowhere/ca", .crl = "/nowhere/crl"};
  const auto started = TlsReload::Start(nowhere, {});
  EXPECT_EQ(started.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(started.status().message()),
            absl::StrCat("--tls_cert=/nowhere/cert: cannot be read: No such file or directory\n--tls_key=", dir_.path(),
                         ": cannot be read: it is no regular file\n"
                         "--tls_ca=/nowhere/ca: cannot be read: No such file or directory\n"
                         "--tls_crl=/nowhere/crl: cannot be read: No such file or directory"));
}

TEST_F(ReloadTest, AFileThatIsTooLargeIsRefused) {
  WriteFile(paths_.ca, root_.pem() + std::string(kPemBytesMax, '\n'));
  EXPECT_THAT(std::string(TlsReload::Start(paths_, {}).status().message()),
              HasSubstr("--tls_ca=" + paths_.ca + ": cannot be read: it has more than 1048576 bytes"));
}

}  // namespace
}  // namespace unwind
