// The published d3 stands before the page's script and brings no types along.
declare const d3: any;
