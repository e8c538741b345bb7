#include "common/tls/memory_file.h"

#include <sys/stat.h>

#include <fstream>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/process.h"

namespace unwind {
namespace {

TEST(MemoryFileTest, APathKeepsItsNameAndGetsNewBytesAsAWhole) {
  auto file = MemoryFile::Create("the first bytes");
  ASSERT_TRUE(file.ok()) << file.status();
  const std::string path = file->path();
  EXPECT_EQ(ContentsOf(path), "the first bytes");
  std::ifstream reader(path);  // it has begun before and must not see what comes later
  ASSERT_TRUE(file->Put("others").ok());
  EXPECT_EQ(file->path(), path);
  EXPECT_EQ(ContentsOf(path), "others");
  std::string seen;
  std::getline(reader, seen);
  EXPECT_EQ(seen, "the first bytes");
}

TEST(MemoryFileTest, EachContentHasATimeOfItsOwnHoweverFastTheyCome) {
  auto file = MemoryFile::Create("");
  ASSERT_TRUE(file.ok()) << file.status();
  std::set<time_t> times;
  for (int i = 0; i < 5; ++i) {
    struct stat status = {};
    ASSERT_EQ(stat(file->path().c_str(), &status), 0);
    EXPECT_TRUE(times.insert(status.st_mtime).second);
    EXPECT_NE(status.st_mtime, 0);
    ASSERT_TRUE(file->Put(std::string(static_cast<std::size_t>(i), 'x')).ok());
  }
}

}  // namespace
}  // namespace unwind
