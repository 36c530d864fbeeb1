#include "store/redis_url.hpp"

#include <gtest/gtest.h>

#include <string>

#include <neume/error.hpp>

namespace neume::store {
namespace {

TEST(RedisUrl, HasDefaults) {
  const RedisUrl url = RedisUrl::parse("redis://cache.local");
  EXPECT_EQ(url.host, "cache.local");
  EXPECT_EQ(url.port, 6379);
  EXPECT_EQ(url.database, 0u);
  EXPECT_EQ(url.user, "");
  EXPECT_EQ(url.password, "");
}

TEST(RedisUrl, HasAllParts) {
  const RedisUrl url = RedisUrl::parse("redis://ann:p%40ss%2Fw:@rd@10.0.0.1:7000/12");
  EXPECT_EQ(url.user, "ann");
  EXPECT_EQ(url.password, "p@ss/w:@rd");
  EXPECT_EQ(url.host, "10.0.0.1");
  EXPECT_EQ(url.port, 7000);
  EXPECT_EQ(url.database, 12u);
  EXPECT_EQ(RedisUrl::parse("redis://:secret@h").password, "secret");
  EXPECT_EQ(RedisUrl::parse("redis://h/").database, 0u);
}

TEST(RedisUrl, TakesIpv6InBrackets) {
  EXPECT_EQ(RedisUrl::parse("redis://[::1]").host, "::1");
  EXPECT_EQ(RedisUrl::parse("redis://[::1]").port, 6379);
  EXPECT_EQ(RedisUrl::parse("redis://[fe80::2]:1/3").port, 1);
}

TEST(RedisUrl, RefusesWhatIsNone) {
  for (const char* text :
       {"redis://",      "redis://:1",     "redis://h:",     "redis://h:0",   "redis://h:65536", "redis://h:x",
        "redis://h:-1",  "redis://h/x",    "redis://h/-1",   "redis://h/1/2", "redis://h/1?x=1", "redis://a:b:1",
        "redis://[::1",  "redis://[]",     "redis://[::1]7", "http://h",      "rediss://h",      "",
        "redis://:%4@h", "redis://:%zz@h", "redis://:%@h"}) {
    EXPECT_THROW(RedisUrl::parse(text), InvalidArgument) << text;
  }
}

TEST(RedisUrl, NeverTellsThePassword) {
  for (const char* text :
       {"redis://u:hunter2@h:x", "redis://hunter2@h", "redis://u:hunter2@", "redis://u:hunter2%@h"}) {
    try {
      RedisUrl::parse(text);
      FAIL() << text;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace neume::store
