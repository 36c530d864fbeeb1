// compare_page(): the data arrives in the page as it was, and nothing else is taken for a comparison.

#include "compare_page.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include <neume/error.hpp>

namespace neume::app {
namespace {

TEST(ComparePage, CarriesTheDataUnchangedAndNoNameCanLeaveIt) {
  Json comparison{{"format", "neume-compare"}, {"version", 1}, {"title", "</script><img src=x onerror=alert(1)>"}};
  const std::string page = compare_page(comparison);
  const std::string_view open = R"(<script type="application/json" id="report-data">)";
  ASSERT_NE(page.find(open), std::string::npos);
  const std::size_t start = page.find(open) + open.size();
  const std::string data = page.substr(start, page.find("</script", start) - start);
  EXPECT_EQ(data.find('<'), std::string::npos);
  EXPECT_EQ(Json::parse(data), comparison);
  EXPECT_NE(page.find("default-src 'none'; script-src 'sha256-"), std::string::npos);
  EXPECT_EQ(page.find("@@"), std::string::npos);
}

TEST(ComparePage, RefusesWhatIsNoComparison) {
  EXPECT_THROW(compare_page(Json::array()), InvalidArgument);
  EXPECT_THROW(compare_page({{"format", "neume-report"}, {"version", 1}}), InvalidArgument);
  EXPECT_THROW(compare_page({{"format", "neume-compare"}, {"version", 2}}), InvalidArgument);
}

}  // namespace
}  // namespace neume::app
