//! How an enum of the vocabulary gets its words: one for machines and one name for people in each
//! language. Not here: the enums.

/// Declares an enum whose values have a word (`snake_case`, stored and sent) and a name in zh and en.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident = $word:literal $zh:literal / $en:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The words of all of them, in order.
            pub const WORDS: &[&'static str] = &[$($word),+];

            /// Its word, as stored and sent.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// From its word.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.word() == word)
            }

            /// Its name as shown to people.
            pub fn name(self) -> crate::Text {
                match self { $(Self::$variant => crate::Text::new($zh, $en),)+ }
            }
        }
    };
}
