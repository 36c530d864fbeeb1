// report_page(): the data arrives in the page as it was, and no name in it can leave its place.

#include "report_page.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <string_view>

#include <neume/error.hpp>

namespace neume::app {
namespace {

Json empty_report() {
  return {{"format", "neume-report"}, {"version", 1}};
}

/// What stands between the tags of the element with the data: what a browser gives to JSON.parse.
std::string data_of(const std::string& page) {
  const std::string_view open = R"(<script type="application/json" id="report-data">)";
  const std::size_t start = page.find(open) + open.size();
  return page.substr(start, page.find("</script", start) - start);
}

std::size_t count(const std::string& text, std::string_view wanted) {
  std::size_t found = 0;
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) ++found;
  return found;
}

TEST(ReportPage, CarriesTheDataUnchanged) {
  Json report = empty_report();
  report["title"] = "Björk & \"Sigur Rós\" \\ 音楽";
  report["quantizers"] = Json::array({{{"name", "rq"}, {"codes", {4, 4}}}});
  EXPECT_EQ(Json::parse(data_of(report_page(report))), report);
}

TEST(ReportPage, NamesCannotOpenMarkup) {
  const std::string plain = report_page(empty_report());
  Json report = empty_report();
  report["title"] = "</script><img src=x onerror=alert(1)>";
  report["notes"] = {"<!--<script>", "]]>", "@@neume-report-data@@", "</SCRIPT >"};
  const std::string page = report_page(report);
  EXPECT_EQ(data_of(page).find('<'), std::string::npos);
  EXPECT_EQ(Json::parse(data_of(page)), report);
  // The hostile names have added no '<' anywhere: the page has as many as with no names.
  EXPECT_EQ(count(page, "<"), count(plain, "<"));
}

TEST(ReportPage, BrokenUtf8IsReplaced) {
  Json report = empty_report();
  report["title"] = "a\xff";
  EXPECT_EQ(Json::parse(data_of(report_page(report))).at("title"), "a\xef\xbf\xbd");
}

TEST(ReportPage, FiguresThatAreNotNumbersBecomeNull) {
  Json report = empty_report();
  report["quantizers"] = Json::array({{{"prefix_weight", std::numeric_limits<double>::quiet_NaN()}}});
  EXPECT_TRUE(Json::parse(data_of(report_page(report))).at("quantizers").at(0).at("prefix_weight").is_null());
}

TEST(ReportPage, IsOnePageThatNamesNoOtherFile) {
  const std::string page = report_page(empty_report());
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0u);
  EXPECT_EQ(page.find("@@"), std::string::npos);
  EXPECT_EQ(page.find("<link"), std::string::npos);
  EXPECT_EQ(page.find("<script src"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'; script-src 'sha256-"), std::string::npos);
}

TEST(ReportPage, RefusesWhatIsNoReport) {
  EXPECT_THROW(report_page(Json::array()), InvalidArgument);
  EXPECT_THROW(report_page(Json::object()), InvalidArgument);
  EXPECT_THROW(report_page({{"format", "neume-quality"}, {"version", 1}}), InvalidArgument);
  EXPECT_THROW(report_page({{"format", "neume-report"}, {"version", 2}}), InvalidArgument);
}

}  // namespace
}  // namespace neume::app
