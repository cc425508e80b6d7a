//! Expressions as trees.

/// An expression, with the byte at which it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr {
    pub(crate) at: usize,
    /// How deep it is nested, itself included.
    pub(crate) depth: usize,
    pub(crate) node: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Name(String),
    Select(Box<Expr>, String),
    Has(Box<Expr>, String),
    Index(Box<(Expr, Expr)>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(Op, Box<(Expr, Expr)>),
    /// Condition, then, else.
    If(Box<(Expr, Expr, Expr)>),
    Call(Call),
    Each(Box<Each>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The value before the dot, if there is one, and the others.
    pub(crate) args: Vec<Expr>,
    pub(crate) is_method: bool,
}

/// A macro over the items of a list, or the keys of a map.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Each {
    pub(crate) how: How,
    pub(crate) range: Expr,
    pub(crate) name: String,
    /// The condition of `map` with three arguments.
    pub(crate) filter: Option<Expr>,
    pub(crate) body: Expr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

impl Op {
    /// Every operator, with how it is written and how tightly it binds.
    pub(crate) const ALL: [(Self, &'static str, u8); 14] = [
        (Self::Or, "||", 1),
        (Self::And, "&&", 2),
        (Self::Equal, "==", 3),
        (Self::NotEqual, "!=", 3),
        (Self::Less, "<", 3),
        (Self::LessEqual, "<=", 3),
        (Self::Greater, ">", 3),
        (Self::GreaterEqual, ">=", 3),
        (Self::In, "in", 3),
        (Self::Add, "+", 4),
        (Self::Subtract, "-", 4),
        (Self::Multiply, "*", 5),
        (Self::Divide, "/", 5),
        (Self::Modulo, "%", 5),
    ];

    pub(crate) fn sign(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(op, ..)| *op == self)
            .map_or("", |(_, sign, _)| sign)
    }
}
