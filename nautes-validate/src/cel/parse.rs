//! From tokens to a tree.

use super::ast::{Call, Each, Expr, How, Node, Op};
use super::token::{Token, tokens};
use super::{Fault, MAX_DEPTH, MAX_NODES, MAX_TEXT};

/// How deep brackets may be nested.
const MAX_BRACKETS: usize = 24;

const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Expr, Fault> {
    if text.len() > MAX_TEXT {
        let message = format!("the expression has {} bytes, {MAX_TEXT} are allowed", text.len());
        return Err(Fault::new(0, message).hint("divide it: name parts of it in let, or write two rules"));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        nodes: 0,
        brackets: 0,
    };
    let expr = parser.expression()?;
    match parser.take() {
        (_, Token::End) => Ok(expr),
        (at, token) => Err(unexpected(at, &token, "an operator")),
    }
}

fn unexpected(at: usize, token: &Token, expected: &str) -> Fault {
    let found = match token {
        Token::Name(name) => format!("{name:?}"),
        Token::Int(number) => number.to_string(),
        Token::Double(number) => number.to_string(),
        Token::Text(_) => "a text".to_owned(),
        Token::Sign("=") => "=".to_owned(),
        Token::Sign(sign) => format!("{sign:?}"),
        Token::End => return Fault::new(at, format!("the expression ends where {expected} should be")),
    };
    Fault::new(at, format!("expected {expected}, found {found}"))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    nodes: usize,
    brackets: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(0, |(at, _)| *at)
    }

    fn take(&mut self) -> (usize, Token) {
        let taken = self.tokens.get(self.next).or(self.tokens.last()).cloned();
        self.next += 1;
        taken.unwrap_or((0, Token::End))
    }

    fn accept(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Token::Sign(s) if *s == sign);
        self.next += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.accept(sign) {
            return Ok(());
        }
        let (at, token) = self.take();
        Err(unexpected(at, &token, &format!("{sign:?}")))
    }

    /// Makes a part, if there are not too many, nor too deep ones.
    fn part(&mut self, at: usize, below: usize, node: Node) -> Result<Expr, Fault> {
        self.nodes += 1;
        let depth = below + 1;
        let fault = if self.nodes > MAX_NODES {
            format!("the expression has more than {MAX_NODES} parts")
        } else if depth > MAX_DEPTH {
            format!("the expression is nested deeper than {MAX_DEPTH}")
        } else {
            return Ok(Expr { at, depth, node });
        };
        Err(Fault::new(at, fault).hint("divide it: name parts of it in let, or write two rules"))
    }

    fn expression(&mut self) -> Result<Expr, Fault> {
        self.brackets += 1;
        if self.brackets > MAX_BRACKETS {
            let message = format!("brackets are nested deeper than {MAX_BRACKETS}");
            return Err(Fault::new(self.at(), message));
        }
        let condition = self.binary(1)?;
        let expr = if self.accept("?") {
            let then = self.binary(1)?;
            self.expect(":")?;
            let other = self.expression()?;
            let below = condition.depth.max(then.depth).max(other.depth);
            let at = condition.at;
            self.part(at, below, Node::If(Box::new((condition, then, other))))
        } else {
            Ok(condition)
        };
        self.brackets -= 1;
        expr
    }

    fn operator(&self) -> Option<(Op, u8)> {
        let sign = match self.peek() {
            Token::Sign(sign) => sign,
            Token::Name(name) if name == "in" => "in",
            _ => return None,
        };
        let (op, _, binds) = Op::ALL.iter().find(|(_, s, _)| *s == sign)?;
        Some((*op, *binds))
    }

    fn binary(&mut self, least: u8) -> Result<Expr, Fault> {
        let mut left = self.unary()?;
        while let Some((op, binds)) = self.operator().filter(|(_, binds)| *binds >= least) {
            let (at, _) = self.take();
            let right = self.binary(binds + 1)?;
            let below = left.depth.max(right.depth);
            left = self.part(at, below, Node::Binary(op, Box::new((left, right))))?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Fault> {
        let mut signs = Vec::new();
        while let Token::Sign(sign @ ("!" | "-")) = self.peek() {
            signs.push((self.at(), *sign));
            self.next += 1;
            if signs.len() > MAX_DEPTH {
                return Err(Fault::new(self.at(), "too many signs before a value"));
            }
        }
        let mut expr = self.member(signs.last().is_some_and(|(_, sign)| *sign == "-"))?;
        if let Node::Int(i64::MIN) = expr.node {
            // Its sign belongs to the number.
            signs.pop();
        }
        for (at, sign) in signs.into_iter().rev() {
            let below = expr.depth;
            let node = if sign == "!" {
                Node::Not(Box::new(expr))
            } else {
                Node::Negate(Box::new(expr))
            };
            expr = self.part(at, below, node)?;
        }
        Ok(expr)
    }

    fn member(&mut self, negative: bool) -> Result<Expr, Fault> {
        let mut expr = self.primary(negative)?;
        loop {
            if self.accept(".") {
                expr = self.after_dot(expr)?;
            } else if self.accept("[") {
                let index = self.expression()?;
                self.expect("]")?;
                let (at, below) = (expr.at, expr.depth.max(index.depth));
                expr = self.part(at, below, Node::Index(Box::new((expr, index))))?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn after_dot(&mut self, of: Expr) -> Result<Expr, Fault> {
        let (at, name) = match self.take() {
            (at, Token::Name(name)) => (at, name),
            (at, token) => return Err(unexpected(at, &token, "a name")),
        };
        if !self.accept("(") {
            let below = of.depth;
            return self.part(at, below, Node::Select(Box::new(of), name));
        }
        let args = self.arguments()?;
        let how = match name.as_str() {
            "all" => Some(How::All),
            "exists" => Some(How::Exists),
            "exists_one" | "existsOne" => Some(How::ExistsOne),
            "filter" => Some(How::Filter),
            "map" => Some(How::Map),
            _ => None,
        };
        match how {
            Some(how) => self.each(at, how, of, args),
            None => self.call(at, name, Some(of), args),
        }
    }

    fn call(&mut self, at: usize, name: String, of: Option<Expr>, args: Vec<Expr>) -> Result<Expr, Fault> {
        let is_method = of.is_some();
        let args: Vec<Expr> = of.into_iter().chain(args).collect();
        let below = args.iter().map(|arg| arg.depth).max().unwrap_or(0);
        let call = Call {
            name,
            args,
            is_method,
        };
        self.part(at, below, Node::Call(call))
    }

    fn each(&mut self, at: usize, how: How, range: Expr, mut args: Vec<Expr>) -> Result<Expr, Fault> {
        let count = args.len();
        let shape = if how == How::Map {
            "(name, value)"
        } else {
            "(name, condition)"
        };
        let wrong = || Fault::new(at, format!("expected {shape} here"));
        let body = args.pop().ok_or_else(wrong)?;
        let filter = if how == How::Map && count == 3 {
            args.pop()
        } else {
            None
        };
        let name = match args.pop().map(|expr| expr.node) {
            Some(Node::Name(name)) if args.is_empty() => name,
            _ => return Err(wrong()),
        };
        let parts = [Some(&range), Some(&body), filter.as_ref()];
        let below = parts
            .into_iter()
            .flatten()
            .map(|part| part.depth)
            .max()
            .unwrap_or(0);
        let each = Each {
            how,
            range,
            name,
            filter,
            body,
        };
        self.part(at, below, Node::Each(Box::new(each)))
    }

    /// Reads what stands between brackets that are open already, with commas.
    fn arguments(&mut self) -> Result<Vec<Expr>, Fault> {
        let mut all = Vec::new();
        if self.accept(")") {
            return Ok(all);
        }
        loop {
            all.push(self.expression()?);
            if self.accept(")") {
                return Ok(all);
            }
            self.expect(",")?;
        }
    }

    fn primary(&mut self, negative: bool) -> Result<Expr, Fault> {
        let (at, token) = self.take();
        let node = match token {
            Token::Int(number) if negative && number == i64::MIN.unsigned_abs() => Node::Int(i64::MIN),
            Token::Int(number) => match i64::try_from(number) {
                Ok(number) => Node::Int(number),
                Err(_) => return Err(Fault::new(at, "the number is too large")),
            },
            Token::Double(number) => Node::Double(number),
            Token::Text(text) => Node::Text(text),
            Token::Name(name) => return self.named(at, name),
            Token::Sign("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("[") => return self.list(at),
            Token::Sign("{") => return self.map(at),
            other => return Err(unexpected(at, &other, "a value")),
        };
        self.part(at, 0, node)
    }

    fn named(&mut self, at: usize, name: String) -> Result<Expr, Fault> {
        let node =
            match name.as_str() {
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                "null" => Node::Null,
                word if word == "in" || RESERVED.contains(&word) => {
                    return Err(Fault::new(at, format!("{word:?} is a reserved word")));
                }
                _ if self.accept("(") => {
                    let mut args = self.arguments()?;
                    if name != "has" {
                        return self.call(at, name, None, args);
                    }
                    return match (args.pop().map(|arg| arg.node), args.is_empty()) {
                        (Some(Node::Select(of, field)), true) => {
                            let below = of.depth;
                            self.part(at, below, Node::Has(of, field))
                        }
                        _ => Err(Fault::new(at, "has() takes one field")
                            .hint("for example has(self.spec.project)")),
                    };
                }
                _ => Node::Name(name),
            };
        self.part(at, 0, node)
    }

    fn list(&mut self, at: usize) -> Result<Expr, Fault> {
        let mut items = Vec::new();
        while !self.accept("]") {
            items.push(self.expression()?);
            if !self.accept(",") {
                self.expect("]")?;
                break;
            }
        }
        let below = items.iter().map(|item| item.depth).max().unwrap_or(0);
        self.part(at, below, Node::List(items))
    }

    fn map(&mut self, at: usize) -> Result<Expr, Fault> {
        let mut entries = Vec::new();
        while !self.accept("}") {
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        let below = entries
            .iter()
            .map(|(k, v)| k.depth.max(v.depth))
            .max()
            .unwrap_or(0);
        self.part(at, below, Node::Map(entries))
    }
}
