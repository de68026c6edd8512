#include "io/names/address_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "io/names/numeric_host.h"

namespace pelton::io {
namespace {

using ::testing::ElementsAre;

Destination From(const char* address, const char* source) {
  Destination result{.address = *ParseNumericHost(address, 80), .source = std::nullopt};
  if (source != nullptr) result.source = *ParseNumericHost(source, 9);
  return result;
}

std::vector<std::string> Ordered(std::vector<Destination> destinations) {
  OrderDestinations(destinations);
  std::vector<std::string> texts;
  for (const Destination& one : destinations) texts.push_back(one.address.ToString());
  return texts;
}

// The examples of RFC 6724 section 10.2, as far as they need no more than addresses.
TEST(AddressOrderTest, FollowsTheExamplesOfTheRfc) {
  EXPECT_THAT(
      Ordered({From("198.51.100.121", "169.254.13.78"), From("2001:db8:1::1", "2001:db8:1::2")}),
      ElementsAre("[2001:db8:1::1]:80", "198.51.100.121:80"));
  EXPECT_THAT(
      Ordered({From("2001:db8:1::1", "fe80::1%lo"), From("198.51.100.121", "198.51.100.117")}),
      ElementsAre("198.51.100.121:80", "[2001:db8:1::1]:80"));
  EXPECT_THAT(Ordered({From("10.1.2.3", "10.1.2.4"), From("2001:db8:1::1", "2001:db8:1::2")}),
              ElementsAre("[2001:db8:1::1]:80", "10.1.2.3:80"));
  EXPECT_THAT(Ordered({From("2001:db8:1::1", "2001:db8:1::2"), From("fe80::1%lo", "fe80::2%lo")}),
              ElementsAre("[fe80::1%lo]:80", "[2001:db8:1::1]:80"));
  EXPECT_THAT(Ordered({From("2001:db8:1::1", "2001:db8:1::2"),
                       From("2001:db8:3ffe::1", "2001:db8:3f44::2")}),
              ElementsAre("[2001:db8:1::1]:80", "[2001:db8:3ffe::1]:80"));
  EXPECT_THAT(Ordered({From("2001:db8:1::1", "2002:c633:6401::2"),
                       From("2002:c633:6401::1", "2002:c633:6401::2")}),
              ElementsAre("[2002:c633:6401::1]:80", "[2001:db8:1::1]:80"));
}

TEST(AddressOrderTest, WhatCannotBeReachedComesLast) {
  EXPECT_THAT(Ordered({From("2001:db8::1", nullptr), From("10.0.0.1", "10.0.0.2")}),
              ElementsAre("10.0.0.1:80", "[2001:db8::1]:80"));
}

TEST(AddressOrderTest, EqualsStayInTheirOrder) {
  std::vector<Destination> many;
  std::vector<std::string> expected;
  for (int i = 1; i < 60; ++i) {
    const std::string host = "10.0.0." + std::to_string(60 - i);
    many.push_back(From(host.c_str(), "10.0.0.99"));
    expected.push_back(host + ":80");
  }
  EXPECT_EQ(Ordered(many), expected);
}

TEST(AddressOrderTest, FindsSourcesByTheKernelsRoutes) {
  std::vector<SocketAddress> addresses = {*ParseNumericHost("255.255.255.255", 1),
                                          *ParseNumericHost("127.0.0.3", 1),
                                          *ParseNumericHost("127.0.0.2", 1)};
  OrderAddresses(addresses);
  // Nobody may connect to the broadcast address.
  EXPECT_EQ(addresses[0].ToString(), "127.0.0.3:1");
  EXPECT_EQ(addresses[1].ToString(), "127.0.0.2:1");
  EXPECT_EQ(addresses[2].ToString(), "255.255.255.255:1");
}

}  // namespace
}  // namespace pelton::io
