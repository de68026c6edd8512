#include "framework/base/intrusive_list.h"

#include <vector>

#include "gtest/gtest.h"

namespace pelton {
namespace {

struct Element : ListHook<Element> {
  explicit Element(int v) : value(v) {}
  int value;
};

std::vector<int> Values(IntrusiveList<Element>& list) {
  std::vector<int> values;
  list.ForEach([&values](Element& element) { values.push_back(element.value); });
  return values;
}

TEST(IntrusiveListTest, KeepsTheOrderOfInsertion) {
  Element a(1), b(2), c(3);
  IntrusiveList<Element> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  list.PushBack(a);
  list.PushBack(b);
  list.PushBack(c);
  EXPECT_EQ(Values(list), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(list.Next(a), &b);
  EXPECT_EQ(list.Next(c), nullptr);
  while (list.PopFront() != nullptr) {
  }
}

TEST(IntrusiveListTest, ElementsLeaveFromAnyPlace) {
  Element a(1), b(2), c(3);
  IntrusiveList<Element> list;
  for (Element* element : {&a, &b, &c}) list.PushBack(*element);
  b.Unlink();
  EXPECT_FALSE(b.linked());
  EXPECT_EQ(Values(list), (std::vector<int>{1, 3}));
  a.Unlink();
  c.Unlink();
  EXPECT_TRUE(list.empty());
  list.PushBack(b);
  EXPECT_EQ(list.PopFront(), &b);
  EXPECT_EQ(list.PopFront(), nullptr);
}

TEST(IntrusiveListTest, ForEachMayUnlinkTheElementThatItIsGiven) {
  Element a(1), b(2), c(3);
  IntrusiveList<Element> list;
  for (Element* element : {&a, &b, &c}) list.PushBack(*element);
  list.ForEach([](Element& element) { element.Unlink(); });
  EXPECT_TRUE(list.empty());
}

#ifndef NDEBUG
TEST(IntrusiveListDeathTest, AnElementThatDiesInAListIsReported) {
  EXPECT_DEATH(
      {
        IntrusiveList<Element> list;
        Element element(1);
        list.PushBack(element);
      },
      "an element was destroyed inside a list");
}
#endif

struct Node {
  int value;
  Node* next = nullptr;
};
using Queue = IntrusiveQueue<Node, &Node::next>;

std::vector<int> Drain(Queue& queue) {
  std::vector<int> values;
  while (Node* node = queue.PopFront()) values.push_back(node->value);
  return values;
}

TEST(IntrusiveQueueTest, IsFirstInFirstOut) {
  Node a{1}, b{2}, c{3};
  Queue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.PopFront(), nullptr);
  queue.PushBack(a);
  queue.PushBack(b);
  EXPECT_EQ(queue.PopFront(), &a);
  queue.PushBack(c);
  queue.PushBack(a);
  EXPECT_EQ(Drain(queue), (std::vector<int>{2, 3, 1}));
}

TEST(IntrusiveQueueTest, RemovesFromAnyPlaceAndStaysWhole) {
  for (int removed = 0; removed < 3; ++removed) {
    Node nodes[] = {{0}, {1}, {2}};
    Node late{9};
    Queue queue;
    for (Node& node : nodes) queue.PushBack(node);
    EXPECT_TRUE(queue.Remove(nodes[removed]));
    EXPECT_FALSE(queue.Remove(nodes[removed]));
    queue.PushBack(late);
    std::vector<int> expected;
    for (int i = 0; i < 3; ++i) {
      if (i != removed) expected.push_back(i);
    }
    expected.push_back(9);
    EXPECT_EQ(Drain(queue), expected);
  }
}

TEST(IntrusiveQueueTest, RemovingTheOnlyElementLeavesAnEmptyQueue) {
  Node a{1}, b{2};
  Queue queue;
  queue.PushBack(a);
  EXPECT_TRUE(queue.Remove(a));
  EXPECT_TRUE(queue.empty());
  queue.PushBack(b);
  EXPECT_EQ(Drain(queue), (std::vector<int>{2}));
}

TEST(IntrusiveQueueTest, AppendMovesEverythingInOrder) {
  Node a{1}, b{2}, c{3};
  Queue queue, other;
  queue.Append(other);
  EXPECT_TRUE(queue.empty());
  other.PushBack(b);
  other.PushBack(c);
  queue.PushBack(a);
  queue.Append(other);
  EXPECT_TRUE(other.empty());
  EXPECT_EQ(Drain(queue), (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace pelton
