// report_page_example REPORT.json PAGE.html: writes the page of a report, so that a browser can be put in front of it.

#include <exception>
#include <fstream>
#include <iostream>

#include "report_page.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: report_page_example REPORT.json PAGE.html\n";
    return 2;
  }
  try {
    std::ifstream in(argv[1]);
    std::ofstream out(argv[2], std::ios::binary);
    out << neume::app::report_page(neume::app::Json::parse(in));
    out.close();
    if (!out) throw std::runtime_error("could not write the page");
  } catch (const std::exception& error) {
    std::cerr << "report_page_example: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
