autocmd BufNewFile,BufRead Caddyfile,Caddyfile.*,*.Caddyfile,*.caddyfile setfiletype caddyfile
