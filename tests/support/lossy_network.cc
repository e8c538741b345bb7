#include "tests/support/lossy_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/status_macros.h"
#include "tests/support/process.h"

namespace unwind {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kBacklog = 64;
constexpr char kInnerMac[] = "02:00:00:00:00:02";

absl::Status Failed(const char* what) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// One of the 32,768 networks of four addresses of 198.18.0.0/15, which is kept free for tests (RFC 2544).
std::string AddressOf(pid_t pid, int host) {
  const int network = pid % 32768;
  return absl::StrCat("198.", 18 + network / 16384, ".", network / 64 % 256, ".", network % 64 * 4 + host);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LossyNetwork>> LossyNetwork::Make() {
  std::unique_ptr<LossyNetwork> network(new LossyNetwork);
  const pid_t pid = ::getpid();
  network->outer_ = absl::StrCat("uwo", pid);
  network->inner_ = absl::StrCat("uwi", pid);
  network->outer_ip_ = AddressOf(pid, 1);
  network->inner_ip_ = AddressOf(pid, 2);
  absl::Status made;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      made = Failed("a network namespace cannot be made");
      return;
    }
    network->space_ = FileDescriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    // What a packet meets first is not the rule that it is for us, but one that can lose it.
    made = network->Run(absl::StrCat(
        "ip link add ", network->inner_, " address ", kInnerMac, " type veth peer name ", network->outer_, " netns ",
        pid, " && ip addr add ", network->inner_ip_, "/30 dev ", network->inner_, " && ip link set ", network->inner_,
        " up && ip link set lo up", " && ip rule add pref 100 lookup local && ip rule del pref 0"));
  }).join();
  RETURN_IF_ERROR(made);
  // Without this nobody would know whom to send it to, and say so.
  RETURN_IF_ERROR(
      network->Run(absl::StrCat("ip addr add ", network->outer_ip_, "/30 dev ", network->outer_, " && ip link set ",
                                network->outer_, " up && ip neigh replace ", network->inner_ip_, " lladdr ", kInnerMac,
                                " dev ", network->outer_, " nud permanent")));
  return network;
}

LossyNetwork::~LossyNetwork() { Run(absl::StrCat("ip link del ", outer_, " 2>/dev/null || true")).IgnoreError(); }

absl::Status LossyNetwork::Run(const std::string& script) const {
  const std::string log = folder_.File("log");
  ASSIGN_OR_RETURN(const int exit,
                   RunToEnd({"/bin/sh", "-c", absl::StrCat("PATH=$PATH:/sbin:/usr/sbin; ", script)}, log, kPatience));
  if (exit == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("a lossy network cannot be made: ", absl::StripAsciiWhitespace(ContentsOf(log)), " in: ", script));
}

absl::Status LossyNetwork::Inside(const std::function<absl::Status()>& what) const {
  absl::Status status;
  std::thread([&] {
    status = ::setns(space_.get(), CLONE_NEWNET) == 0 ? what() : Failed("the network namespace cannot be entered");
  }).join();
  return status;
}

absl::StatusOr<FileDescriptor> LossyNetwork::Listen() {
  FileDescriptor listener;
  RETURN_IF_ERROR(Inside([&]() -> absl::Status {
    listener = FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, inner_ip_.c_str(), &address.sin_addr);
    const bool listens = listener.ok() &&
                         ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                         ::listen(listener.get(), kBacklog) == 0;
    return listens ? absl::OkStatus() : Failed("cannot listen in the network namespace");
  }));
  return listener;
}

absl::Status LossyNetwork::Lose(bool all) {
  const std::string script = all ? absl::StrCat("ip rule add pref 10 iif ", inner_,
                                                " blackhole && ip rule add pref 11 to ", outer_ip_, " blackhole")
                                 : "ip rule del pref 10 2>/dev/null; ip rule del pref 11 2>/dev/null; true";
  return Inside([&] { return Run(script); });
}

}  // namespace unwind
