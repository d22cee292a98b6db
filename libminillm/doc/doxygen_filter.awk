# Doxygen's INPUT_FILTER: the headers' plain comments as doc comments, word for word (nothing in them is a command).
function plain(text) {
  gsub(/[\\@<>#%&$"]/, "\\\\&", text)
  return text
}
/^ *\/\// {
  match($0, /^ *\/\//)
  indent = RLENGTH - 2
  text = plain(substr($0, RLENGTH + 1))
  if (NR == 1) print "/// \\file"
  print substr($0, 1, indent) (trailing && indent >= trailing ? "///<" : "///") text
  next
}
{ trailing = 0 }
!/^ *[#}]/ && match($0, / \/\/ /) {  # code, then what it is
  trailing = RSTART - 1
  print substr($0, 1, RSTART) "///< " plain(substr($0, RSTART + 4))
  next
}
{ print }
