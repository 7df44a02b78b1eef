// Which answer of the search comes first: the one with the words in its title, a guide's page before the reference.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([docname, title, , , score]) => {
    const query = new URLSearchParams(window.location.search).get("q") ?? "";
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.filter((word) => title.toLowerCase().includes(word.replace(/(e?s|ing)$/, "")));
    const isList = docname === "changelog" || /^api\/[a-z]+$/.test(docname) ? -20 : 0;
    const isGuide = /^(api|generated\/(benchmarks|commands|errors))/.test(docname) ? 0 : 3;
    return score + isList + isGuide + (words.length > 1 ? (20 * found.length) / words.length : 0);
  },
};
