"""Tests of house.py's parsing. usage: python3 scripts/test_house.py"""

import unittest

import house

LIB = """
mod a;
mod b;
mod c;
pub use a::A;
struct Own;
#[cfg(test)]
mod tests { use super::c::C; struct Twice; }
"""


def crate(**files):
    texts = {f"src/{name}.rs": text for name, text in files.items()}
    return texts, house.crates_in(texts)


class Parsing(unittest.TestCase):
    def test_comments_strings_and_characters_are_blanked(self):
        text = """fn f<'a>() { '{'; b'"'; r#"}"#; /* } /* } */ */ "\\"}"; } // }"""
        code = house.blank(text)
        self.assertEqual(len(code), len(text))
        self.assertEqual([(name, lines) for _, name, lines in house.functions(code)], [("f", 1)])
        self.assertEqual(code.count("}"), 1)
        self.assertIn("<'a>", code)

    def test_code_of_tests_is_left_out(self):
        tests = "#[cfg(test)]\n#[x]\nfn b<T, U>() { (1, 2) }\n"
        left = house.without_tests(f"fn a() {{}}\n{tests}#[cfg(not(test))]\nfn c() {{}}")
        self.assertEqual([name for _, name, _ in house.functions(left)], ["a", "c"])
        self.assertNotIn("b", house.without_tests("struct S { a: u8, #[cfg(test)] b: u8, c: u8 }"))

    def test_use_trees_have_a_path_for_each_name(self):
        found = sorted(house.leaves("super::{self as up, a::{B, C as D}, e::*}"))
        paths = [("::".join(path), name) for path, name in found]
        self.assertEqual(
            paths,
            [
                ("super", "up"),
                ("super::a::B", "B"),
                ("super::a::C", "D"),
                ("super::e::*", "*"),
            ],
        )

    def test_two_files_that_import_each_other_are_a_circle(self):
        one, other = "use crate::b; pub struct A(b::B);", "pub struct B(super::A);"
        files = crate(lib=LIB, a=one, b=other, c="")
        self.assertEqual(
            list(house.circles(*files)), ["src/a.rs -> b.rs (B)", "src/b.rs -> a.rs (A)"]
        )

    def test_declarations_and_exports_are_no_imports(self):
        files = crate(lib=LIB, a="use super::Own; pub struct A;", b="use crate::A;", c="")
        self.assertEqual(list(house.circles(*files)), [])

    def test_a_parent_that_uses_what_it_exports_imports_it(self):
        files = crate(lib=LIB + "fn f(_: A) {}", a="use super::Own; pub struct A;", b="", c="")
        self.assertEqual(len(list(house.circles(*files))), 2)

    def test_a_type_name_in_two_files_has_two_meanings(self):
        files = crate(lib=LIB, a="struct Twice;", b="enum Twice {}", c="")
        self.assertEqual(
            list(house.two_meanings(*files)), ["Twice: src/a.rs:1, src/b.rs:1"]
        )
        one, other = "#[cfg(unix)]\nstruct Twice;", "#[cfg(not(unix))]\nstruct Twice;"
        self.assertEqual(list(house.two_meanings(*crate(lib=LIB, a=one, b=other, c=""))), [])

    def test_tables_and_links_may_be_long(self):
        long = "x" * 101
        files = {"a.md": f"| {long} |\n[a](https://{long})\n", "b.md": long, "c.rs": f"// {long}"}
        places = [place.split(":")[0] for place in house.long_lines(files, [])]
        self.assertEqual(places, ["b.md", "c.rs"])

    def test_documentation_may_not_begin_with_who_or_what(self):
        lines = ["/// Whoever", "//! * What is", "/// Whole", "// What", "/// Says what"]
        self.assertEqual(len(list(house.vague_subjects({"a.rs": "\n".join(lines)}, []))), 2)


if __name__ == "__main__":
    unittest.main()
