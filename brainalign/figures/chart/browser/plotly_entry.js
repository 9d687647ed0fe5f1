// What plotly.js holds: the marks that our charts are made of, a quarter of the library, so that a browser has it in a
// tenth of a second instead of one. Made anew, where the installed plotly comes with another version of Plotly.js, by
//     npm install plotly.js@4.1.1 esbuild
//     npx esbuild plotly_entry.js --bundle --minify --format=esm --define:global=globalThis --outfile=plotly.js
import bar from "plotly.js/lib/bar";
import Plotly from "plotly.js/lib/core"; // with scatter
import heatmap from "plotly.js/lib/heatmap";

Plotly.register([bar, heatmap]);
export default Plotly;
